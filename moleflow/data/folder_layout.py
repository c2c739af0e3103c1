"""Layouts whose folders say what a picture is: MVTec AD and MPDD, BTAD, MVTec LOCO, MVTec AD 2.

CLASS/train/GOOD/*, CLASS/test/GOOD/*, CLASS/test/DEFECT/* and, for each anomalous picture,
CLASS/ground_truth/DEFECT/<stem>_mask.png (or <stem>.png, as in BTAD; or another suffix).
GOOD is `good`, in BTAD `ok`. A class without any mask is allowed; it has no pixel metrics.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from moleflow.data.dataset_layout import Layout, Places
from moleflow.data.listing import folder_names, folders, images, images_below
from moleflow.data.opening import SUFFIXES
from moleflow.data.pictures import GOOD, ClassData, Picture
from moleflow.data.sequences import as_seen
from moleflow.data.strays import (
    beside_pictures,
    is_like,
    loose,
    masks_among,
    of_other_kinds,
    of_other_kinds_below,
    other_folders,
    said_of_masks,
    said_of_unused,
    twice,
    unused_masks,
)


@dataclass(frozen=True)
class FolderNames:
    """What a layout calls its folders."""

    title: str
    good: str = GOOD
    test: str = "test"
    truth: str = "ground_truth"
    mask_folders: bool = False
    """Whether the masks of a picture lie in a folder called like it: one for each defect."""

    @property
    def mask(self) -> str:
        inner = "<stem>/*.png" if self.mask_folders else "<stem>_mask.*"
        return f"{self.truth}/<defect>/{inner}"


COLOURS = "rgb"
"""Where MVTec 3D-AD has pictures: CLASS/train/good/rgb, beside xyz."""
MVTEC = FolderNames("MVTec layout")
BTAD = FolderNames("BTAD", good="ok")
LOCO = FolderNames("MVTec LOCO", mask_folders=True)
AD2 = FolderNames("MVTec AD 2", test="test_public", truth="test_public/ground_truth")


class FolderLayout(Layout):
    """Classes whose splits and defects are folders; normal pictures are in those called `good`."""

    def __init__(self, root: Path, names: FolderNames, classes: dict[str, Path]):
        """Args:
        classes: their folders, by name.
        """
        super().__init__(root)
        self.title = names.title
        self._names = names
        self._classes = classes
        self.places = Places(
            train=f"under train/{names.good}",
            test=f"under {names.test}",
            test_good=f"under {names.test}/{names.good}",
            test_anomalous=f"under {names.test}/<defect>",
            looked=f" (looked for {', '.join(SUFFIXES)})",
        )

    def class_names(self) -> list[str]:
        return sorted(self._classes)

    def read_class(self, name: str) -> ClassData:
        folder, names = self._classes[name], self._names
        train = tuple(Picture(path, GOOD) for path in images(folder / "train" / names.good))
        test = tuple(
            picture
            for defect in self._sorts(folder)
            for picture in self._sorted_into(defect, folder / names.truth / defect.name)
        )
        truth = folder / names.truth
        good = sorted(path for name in {names.good, GOOD} for path in images_below(truth / name))
        return ClassData(name, train, test, tuple(filter(os.path.isfile, good)))

    def contradictions(self, name: str) -> list[str]:
        folder, names = self._classes[name], self._names
        if COLOURS in folder_names(folder / "train" / names.good):
            return [
                f"{folder}: is in the layout of MVTec 3D-AD, which is not read; move pictures from "
                f"{COLOURS} one folder up, and the masks in test/<defect>/gt to {names.mask}"
            ]
        return [
            f"{inner}: is it {names.good}? Rename it so (letters' case and spaces count)"
            for split in ("train", names.test)
            for inner in folders(folder / split)
            if as_seen(inner.name).lower() == names.good and inner.name != names.good
        ]

    def mask_advice(self, picture: Picture) -> str:
        truth = self._names.truth
        return (
            f"Add {truth}/{picture.defect}/{picture.path.stem}_mask.png, or remove "
            f"{truth} to go without pixel metrics"
        )

    def problems(self, data: ClassData) -> list[str]:
        among = masks_among(data.test, self._names.mask)
        return [*super().problems(data), *twice(data.test), *self._stray_masks(data), *among]

    def training_problems(self, data: ClassData) -> list[str]:
        among = masks_among(data.train, self._names.mask)
        return [*super().training_problems(data), *among]

    def untaken_of_training(self, data: ClassData) -> list[str]:
        folder, good = self._classes[data.name], self._names.good
        train = folder / "train"
        return [*loose(train), *of_other_kinds(train), *beside_pictures(train / good)]

    def untaken(self, data: ClassData) -> list[str]:
        folder, names = self._classes[data.name], self._names
        truth = folder / names.truth
        found = [
            *self.untaken_of_training(data),
            *loose(folder / names.test),
            *of_other_kinds(folder / names.test),
            *(line for sort in self._sorts(folder) for line in beside_pictures(sort)),
            *of_other_kinds_below(truth, 2 if names.mask_folders else 1),
        ]
        strays = [path for path in unused_masks(truth, data.test) if path not in data.good_masks]
        if strays and data.masks:
            found.append(said_of_masks(strays, truth, names.mask))
        if not data.masks:
            inside = ((o, masks) for o, masks in self._other_folders(folder) if self._is_like(o))
            found += [
                said_of_masks(masks, other, f"{folder.name}/{names.mask}")
                for other, masks in (*inside, *self._beside_classes(data.name))
            ]
        return found

    def remarks(self, data: ClassData) -> list[str]:
        return [
            said_of_unused(other, found)
            for other, found in self._other_folders(self._classes[data.name])
            if data.masks or not self._is_like(other)
        ]

    def _other_folders(self, folder: Path) -> Iterator[tuple[Path, list[Path]]]:
        yield from other_folders(folder / "train", (self._names.good,))
        known = ("train", self._names.test, Path(self._names.truth).parts[0])
        yield from other_folders(folder, known)

    def _is_like(self, folder: Path) -> bool:
        return is_like(folder.name, Path(self._names.truth).name)

    def _beside_classes(self, name: str) -> Iterator[tuple[Path, list[Path]]]:
        """Folders that are called like masks and are no classes: pictures of this class, or of none
        in particular."""
        for path in folders(self.root):
            if path in self._classes.values() or not self._is_like(path):
                continue
            by_class = {folder.name for folder in folders(path)} & self._classes.keys()
            if by_class and name not in by_class:
                continue
            if found := images_below(path / name if by_class else path):
                yield path, found

    def _sorts(self, folder: Path) -> list[Path]:
        """Folders of test pictures: one for normal ones, and for each defect."""
        test = folder / self._names.test
        return [path for path in folders(test) if path != folder / self._names.truth]

    def _stray_masks(self, data: ClassData) -> list[str]:
        """Masks of which none fits a picture by name would be left out without a word."""
        truth = self._classes[data.name] / self._names.truth
        strays = [] if data.masks else unused_masks(truth, data.test)
        if not strays or not data.test_anomalous:
            return []
        first = next(picture for picture in data.test if picture.anomalous)
        named = f"{self._names.truth}/{first.defect}/{first.path.stem}_mask.png"
        return [
            f"{self.where(data.name)} has {len(strays)} masks, but none is named after its "
            f"picture; the first is {strays[0]}. Name them like {named.rpartition('/')[2]}, in "
            f"{named.rpartition('/')[0]}, or remove {self._names.truth} to go without pixel metrics"
        ]

    def _sorted_into(self, folder: Path, truth: Path) -> list[Picture]:
        """The pictures of one folder of test pictures, each with its masks."""
        if folder.name in (self._names.good, GOOD):
            return [Picture(path, GOOD) for path in images(folder)]
        pictures = images(folder)
        if self._names.mask_folders:
            found = {path.name: images(path) for path in folders(truth)}
            return [_with_masks(path, folder.name, found.get(path.stem, ())) for path in pictures]
        masks = {path.stem: path for path in images(truth)}
        return [
            Picture(path, folder.name, masks.get(f"{path.stem}_mask") or masks.get(path.stem))
            for path in pictures
        ]


def _with_masks(path: Path, defect: str, masks: Sequence[Path]) -> Picture:
    first, *others = masks or (None,)
    return Picture(path, defect, first, tuple(mask for mask in others if mask is not None))
