"""Data sets of a few real image files, in the layouts of their authors."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Row = tuple[str, str, str, str, str]


def _save(path: Path, value: int, mode: str = "RGB", size: tuple[int, int] = (9, 7)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = (value,) * 3 if mode == "RGB" else value
    Image.new(mode, size, colour).save(path, **({"quality": 95} if mode == "RGB" else {}))


def _save_mask(path: Path, value: int) -> None:
    """All but the lowest row of a picture is marked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = Image.new("L", (9, 7))
    mask.paste(value, (0, 0, 9, 6))
    mask.save(path)


@pytest.fixture
def write_list() -> Callable[..., Path]:
    """(root, rows, columns) -> split_csv/1cls.csv."""

    def write(root: Path, rows: list[Row], columns: str = "object,split,label,image,mask") -> Path:
        path = root / "split_csv/1cls.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as stream:
            stream.write(columns + "\r\n")
            csv.writer(stream).writerows(rows)
        return path

    return write


@pytest.fixture
def visa_rows() -> Callable[[str], list[Row]]:
    """Lines of one class: 3 to train; 1 good and 2 anomalous ones to test."""

    def rows(name: str) -> list[Row]:
        normal = [f"{name}/Data/Images/Normal/{number:04}.JPG" for number in range(4)]
        splits = ("train", "test", "train", "train")
        return [
            (name, split, "normal", image, "") for split, image in zip(splits, normal, strict=True)
        ] + [
            (
                name,
                "test",
                "anomaly",
                f"{name}/Data/Images/Anomaly/{number:03}.JPG",
                f"{name}/Data/Masks/Anomaly/{number:03}.png",
            )
            for number in range(2)
        ]

    return rows


@pytest.fixture
def visa(
    visa_rows: Callable[[str], list[Row]], write_list: Callable[..., Path]
) -> Callable[..., Path]:
    """(root, names) -> a VisA root; masks hold the small numbers 1 and 2, as VisA's do."""

    def make(root: Path, *names: str) -> Path:
        rows = [row for name in names for row in visa_rows(name)]
        for number, (_, _, _, image, mask) in enumerate(rows):
            _save(root / image, 20 + 5 * number)
            if mask:
                _save_mask(root / mask, 1 + number % 2)
        write_list(root, rows)
        return root

    return make


@pytest.fixture
def btad() -> Callable[[Path], Path]:
    """(root) -> BTAD's three classes; like there, suffixes differ between classes."""

    def make(root: Path) -> Path:
        for name, picture, mask in (
            ("01", "bmp", "png"),
            ("02", "png", "png"),
            ("03", "bmp", "bmp"),
        ):
            for number in range(3):
                _save(root / name / f"train/ok/{number:04}.{picture}", 90 + number, "L")
            _save(root / name / f"test/ok/0000.{picture}", 95, "L")
            _save(root / name / f"test/ko/0000.{picture}", 30, "L")
            _save_mask(root / name / f"ground_truth/ko/0000.{mask}", 255)
        return root

    return make


@pytest.fixture
def mvtec_class() -> Callable[[Path], Path]:
    """(folder) -> a class in MVTec layout: 3 to train; 1 good and 2 broken ones to test."""

    def make(folder: Path) -> Path:
        for number in range(3):
            _save(folder / f"train/good/{number:03}.png", 90 + number, "L")
        _save(folder / "test/good/000.png", 95, "L")
        for number in range(2):
            _save(folder / f"test/broken/{number:03}.png", 30 + number, "L")
            _save_mask(folder / f"ground_truth/broken/{number:03}_mask.png", 255)
        return folder

    return make
