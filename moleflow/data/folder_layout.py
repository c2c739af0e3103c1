"""Layouts whose folders say what a picture is: MVTec AD and MPDD, and BTAD.

CLASS/train/GOOD/*, CLASS/test/GOOD/*, CLASS/test/DEFECT/* and, for each anomalous picture,
CLASS/ground_truth/DEFECT/<stem>_mask.png (or <stem>.png, as in BTAD; or another suffix).
GOOD is `good`, in BTAD `ok`. A class without any mask is allowed; it has no pixel metrics.
"""

from pathlib import Path

from moleflow.data.layout import Layout, Places
from moleflow.data.listing import folders, images
from moleflow.data.opening import SUFFIXES
from moleflow.data.pictures import GOOD, ClassData, Picture


class FolderLayout(Layout):
    """Classes whose splits and defects are folders; normal pictures are in those called `good`."""

    def __init__(self, root: Path, title: str, good: str, names: list[str]):
        super().__init__(root)
        self.title = title
        self._good = good
        self._names = names
        self.places = Places(
            train=f"under train/{good}",
            test="under test",
            test_good=f"under test/{good}",
            test_anomalous="under test/<defect>",
            looked=f" (looked for {', '.join(SUFFIXES)})",
        )

    def class_names(self) -> list[str]:
        return self._names

    def read_class(self, name: str) -> ClassData:
        folder = self.root / name
        train = tuple(Picture(path, GOOD) for path in images(folder / "train" / self._good))
        test = tuple(
            picture
            for defect in folders(folder / "test")
            for picture in self._sorted_into(defect, folder / "ground_truth" / defect.name)
        )
        return ClassData(name, train, test)

    def mask_advice(self, picture: Picture) -> str:
        return (
            f"Add ground_truth/{picture.defect}/{picture.path.stem}_mask.png, or remove "
            "ground_truth to go without pixel metrics"
        )

    def problems(self, data: ClassData) -> list[str]:
        return [*super().problems(data), *self._stray_masks(data)]

    def _stray_masks(self, data: ClassData) -> list[str]:
        """Masks of which none fits a picture by name would be left out without a word."""
        defects = {picture.defect for picture in data.test if picture.anomalous}
        ground_truth = self.root / data.name / "ground_truth"
        masks = [path for defect in sorted(defects) for path in images(ground_truth / defect)]
        if data.masks or not masks:
            return []
        stem = next(picture.path.stem for picture in data.test if picture.anomalous)
        return [
            f"{self.where(data.name)} has masks, but none is named after its picture; the first "
            f"is {masks[0]}. Name them like {stem}_mask.png, or remove ground_truth to go "
            "without pixel metrics"
        ]

    def _sorted_into(self, folder: Path, ground_truth: Path) -> list[Picture]:
        """The pictures of one folder below test/, each with its mask."""
        if folder.name in (self._good, GOOD):
            return [Picture(path, GOOD) for path in images(folder)]
        masks = {path.stem: path for path in images(ground_truth)}
        return [
            Picture(path, folder.name, masks.get(f"{path.stem}_mask") or masks.get(path.stem))
            for path in images(folder)
        ]
