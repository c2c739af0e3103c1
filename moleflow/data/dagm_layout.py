"""DAGM 2007: CLASS/{Train,Test}/NNNN.PNG; a picture is defective if Label/NNNN_label.PNG is there.

Defective training pictures are left out: training is on normal ones. Classes come by their numbers.
"""

import re
from pathlib import Path

from moleflow.data.dataset_layout import Layout, Places
from moleflow.data.listing import images
from moleflow.data.pictures import GOOD, ClassData, Picture
from moleflow.data.strays import of_other_kinds_below, said_of_masks, unused_masks

DEFECT = "defect"
LABEL = "_label"


class DagmLayout(Layout):
    """Classes whose labels stand beside their pictures."""

    title = "DAGM 2007"
    places = Places(
        train="in Train without a label",
        test="in Test",
        test_good="in Test without a label",
        test_anomalous="in Test, with Label/<stem>_label.PNG",
    )

    def __init__(self, root: Path, classes: dict[str, Path]):
        super().__init__(root)
        self._classes = classes

    def class_names(self) -> list[str]:
        return sorted(self._classes, key=_by_number)

    def read_class(self, name: str) -> ClassData:
        train = [picture for picture in self._pictures(name, "Train") if not picture.anomalous]
        return ClassData(name, tuple(train), tuple(self._pictures(name, "Test")))

    def mask_advice(self, picture: Picture) -> str:
        raise AssertionError(f"{picture.path}: it is the label that makes a picture defective")

    def untaken_of_training(self, data: ClassData) -> list[str]:
        return list(of_other_kinds_below(self._classes[data.name] / "Train", 1))

    def untaken(self, data: ClassData) -> list[str]:
        test = self._classes[data.name] / "Test"
        strays = unused_masks(test / "Label", data.test)
        return [
            *self.untaken_of_training(data),
            *of_other_kinds_below(test, 1),
            *([said_of_masks(strays, test / "Label", "Label/<stem>_label.PNG")] if strays else []),
        ]

    def remarks(self, data: ClassData) -> list[str]:
        left = [picture for picture in self._pictures(data.name, "Train") if picture.anomalous]
        return [f"{len(left)} defective training pictures are not trained on"] if left else []

    def _pictures(self, name: str, split: str) -> list[Picture]:
        folder = self._classes[name] / split
        labels = {path.stem.lower(): path for path in images(folder / "Label")}
        found: list[Picture] = []
        for path in images(folder):
            label = labels.get(path.stem.lower() + LABEL)
            found.append(Picture(path, GOOD if label is None else DEFECT, label))
        return found


def _by_number(name: str) -> list[tuple[int, str]]:
    """Class2 before Class10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
