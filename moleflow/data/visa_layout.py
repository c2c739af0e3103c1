"""VisA as its authors publish it (Zou et al. 2022): a list, not the folders, decides the split.

`split_csv/1cls.csv` has the columns object, split (train, test), label (normal, anomaly), image and
mask; paths count from the root, and a normal picture has no mask. The pictures are in
CLASS/Data/Images/{Normal,Anomaly}, the masks in CLASS/Data/Masks/Anomaly; their pixels hold small
numbers of kinds of defect, so that they look black: above 0 is anomalous.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moleflow.data.dataset_layout import Layout, Places
from moleflow.data.listing import images_below
from moleflow.data.pictures import GOOD, ClassData, Picture
from moleflow.data.strays import said_of_masks, said_of_unused, unused_masks
from moleflow.errors import DataError

SPLIT_CSV = Path("split_csv") / "1cls.csv"
COLUMNS = ("object", "split", "label", "image", "mask")
SPLITS = ("train", "test")
IMAGES, MASKS = Path("Data") / "Images", Path("Data") / "Masks"
LABELS = {"normal": GOOD, "anomaly": "anomaly"}


@dataclass(frozen=True)
class Row:
    """One line of the list; a field that is missing is empty."""

    line: int
    object: str
    split: str
    label: str
    image: str
    mask: str
    surplus: bool


class VisaLayout(Layout):
    """Classes listed by `split_csv/1cls.csv`.

    Raises:
        DataError: the list cannot be read, lacks columns, or names no class in some line.
    """

    title = "VisA"
    places = Places(
        train=f"with split train in {SPLIT_CSV}",
        test=f"with split test in {SPLIT_CSV}",
        test_good=f"with split test, label normal in {SPLIT_CSV}",
        test_anomalous=f"with split test, label anomaly in {SPLIT_CSV}",
    )

    def __init__(self, root: Path):
        super().__init__(root)
        rows: defaultdict[str, list[Row]] = defaultdict(list)
        for row in _read_rows(root / SPLIT_CSV):
            rows[row.object].append(row)
        self._rows = dict(rows)

    def class_names(self) -> list[str]:
        return sorted(self._rows)

    def read_class(self, name: str) -> ClassData:
        rows = self._rows[name]
        return ClassData(
            name,
            train=tuple(self._pictures(rows, "train")),
            test=tuple(self._pictures(rows, "test")),
        )

    def contradictions(self, name: str) -> list[str]:
        rows = self._rows[name]
        found = [problem for row in rows for problem in _contradictions(row)] + _repeated(rows)
        return [f"{self.root / SPLIT_CSV}: {problem}" for problem in found]

    def mask_advice(self, picture: Picture) -> str:
        return (
            f"Fill in its mask in {SPLIT_CSV}, or leave all of the class's masks empty to go "
            "without pixel metrics"
        )

    def untaken(self, data: ClassData) -> list[str]:
        masks = self.root / data.name / MASKS
        strays = unused_masks(masks, data.test)
        expected = f"that the column mask of {SPLIT_CSV} names them"
        return [said_of_masks(strays, masks, expected)] if strays else []

    def remarks(self, data: ClassData) -> list[str]:
        listed = {picture.path for picture in (*data.train, *data.test)}
        folder = self.root / data.name / IMAGES
        found = [path for path in images_below(folder) if path not in listed]
        return [f"{said_of_unused(folder, found)}: {SPLIT_CSV} does not list them"] if found else []

    def _pictures(self, rows: list[Row], split: str) -> list[Picture]:
        """Sorted by path, so that the order of the lines means nothing."""
        return sorted(
            (
                Picture(
                    self.root / row.image,
                    LABELS[row.label],
                    self.root / row.mask if row.mask else None,
                )
                for row in rows
                if row.split == split
            ),
            key=lambda picture: picture.path,
        )


def _check_columns(path: Path, there: Sequence[str]) -> None:
    missing = [column for column in COLUMNS if column not in there]
    if missing:
        raise DataError(
            f"{path}: lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            f"its first line must be {','.join(COLUMNS)}"
        )


def _read_rows(path: Path) -> list[Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restval="", restkey="surplus")
            _check_columns(path, reader.fieldnames or ())
            rows = [_row(reader.line_num, fields) for fields in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: is not a list of comma-separated values in UTF-8 ({error}); "
            "take it from the VisA archive again"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if not rows:
        raise DataError(f"{path}: lists no picture; take it from the VisA archive again")
    nameless = [row.line for row in rows if not row.object]
    if nameless:
        raise DataError(f"{path}: line {nameless[0]} names no object (class); fill it in")
    return rows


def _row(line: int, fields: dict[str, Any]) -> Row:
    known = {column: str(fields[column]).strip() for column in COLUMNS}
    return Row(line=line, **known, surplus="surplus" in fields)


def _contradictions(row: Row) -> list[str]:
    """What is wrong with a line by itself."""
    found: list[str] = []
    if row.surplus:
        found.append("has more fields than there are columns; quote fields that hold a comma")
    if row.split not in SPLITS:
        found.append(f"split '{row.split}' is neither train nor test")
    if row.label not in LABELS:
        found.append(f"label '{row.label}' is neither normal nor anomaly")
    if row.split == "train" and row.label == "anomaly":
        found.append(
            "trains on an anomaly; move it to split test (1cls.csv is the one-class split)"
        )
    if not row.image:
        found.append("names no image")
    found += [
        f"{file} points out of the folder; paths count from the folder that holds split_csv"
        for file in (row.image, row.mask)
        if file and (Path(file).is_absolute() or ".." in Path(file).parts)
    ]
    if row.label == "normal" and row.mask:
        found.append(f"gives a normal picture the mask {row.mask}; leave it empty")
    return [f"line {row.line}: {problem}" for problem in found]


def _repeated(rows: list[Row]) -> list[str]:
    """Pictures listed twice, or alike in all that a fingerprint knows of them."""
    images = Counter(row.image for row in rows if row.image)
    names = Counter(
        (row.split, row.label, Path(image).name) for row in rows if (image := row.image)
    )
    twice = [f"{image} is listed {n} times; keep one" for image, n in images.items() if n > 1]
    return twice or [
        f"{count} pictures with split {split}, label {label} are named {name}; rename all but one"
        for (split, label, name), count in names.items()
        if count > 1
    ]
