"""How many pictures the classes of well-known data sets have: to plan without any data on disk.

MVTec AD, VisA (one class each, `split_csv/1cls.csv`), MPDD and BTAD, as published.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from moleflow.errors import StudyError, nearest

FILE = Path(__file__).with_name("known_classes.csv")


@dataclass(frozen=True)
class Pictures:
    """Of a class."""

    train: int
    test: int


@cache
def known_data_sets() -> Mapping[str, Mapping[str, Pictures]]:
    """By data set and class."""
    found: dict[str, dict[str, Pictures]] = {}
    with FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            test = int(row["test good"]) + int(row["test anomalous"])
            pictures = Pictures(int(row["train"]), test)
            found.setdefault(row["data set"], {})[row["class"]] = pictures
    return found


def classes_of(data_set: str) -> Mapping[str, Pictures]:
    """Raises:
    StudyError: it is not known here.
    """
    known = known_data_sets()
    if data_set not in known:
        raise StudyError(
            f"--classes-of {data_set}: not known{nearest(data_set, list(known))}; choose one of "
            f"{', '.join(known)}, or name a folder with --data"
        )
    return known[data_set]
