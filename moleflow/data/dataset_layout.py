"""How a root folder holds its classes, and what every class must have whatever the layout."""

import difflib
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from moleflow.data.pictures import ClassData, Picture
from moleflow.errors import DataError

MAX_NAMED = 10


@dataclass(frozen=True)
class Places:
    """Where pictures of a kind are expected, and what was looked for, in words for messages."""

    train: str
    test: str
    test_good: str
    test_anomalous: str
    looked: str = ""


class Layout(ABC):
    """The classes below one root folder. Reads folders, names and lists, never pictures."""

    title: str
    places: Places

    def __init__(self, root: Path):
        self.root = root
        self.unreadable: dict[str, str] = {}
        """Folders that may be classes, and why that cannot be told."""
        self.beside: Callable[[], Iterable[str]] = tuple
        """What lies beside the classes and is not taken, or is taken twice."""

    @abstractmethod
    def class_names(self) -> list[str]:
        """All classes, sorted."""

    @abstractmethod
    def read_class(self, name: str) -> ClassData:
        """A class without contradictions as it is there, complete or not."""

    def contradictions(self, name: str) -> list[str]:
        """Why what describes a class cannot be understood, if so."""
        return []

    @abstractmethod
    def mask_advice(self, picture: Picture) -> str:
        """What to do about an anomalous picture without a mask among others that have one."""

    def untaken(self, data: ClassData) -> list[str]:
        """Files that look as if they were meant to be taken, and are not."""
        return self.untaken_of_training(data)

    def untaken_of_training(self, data: ClassData) -> list[str]:
        """Those of them beside the training pictures."""
        return []

    def remarks(self, data: ClassData) -> list[str]:
        """Files that are left out on purpose."""
        return []

    def chosen(self, classes: Sequence[str]) -> list[str]:
        """The given classes (all, if none is given), sorted.

        Raises:
            DataError: there is no such class; with close names and all there are.
        """
        known, classes = self.class_names(), [composed(name) for name in classes]
        for name in classes:
            if name in self.unreadable and name not in known:
                raise DataError(self.unreadable[name])
            if name not in known:
                close = difflib.get_close_matches(name, known, n=3)
                hint = f"; did you mean {' or '.join(close)}?" if close else ""
                raise DataError(
                    f"{self.root}: no class '{name}'{hint} (there are: {', '.join(known)})"
                )
        return [name for name in known if name in (classes or known)]

    def problems(self, data: ClassData) -> list[str]:
        """Why a class cannot be trained and evaluated, if so: too few pictures, some masks only."""
        return [
            *self.training_problems(data),
            *self._test_problems(data),
            *self._mask_problems(data),
        ]

    def where(self, name: str) -> str:
        return f"{self.root}: class '{name}'"

    def training_problems(self, data: ClassData) -> list[str]:
        """Why a class cannot be trained, if so."""
        where, places = self.where(data.name), self.places
        if not data.train:
            return [
                f"{where} has no images {places.train}{places.looked}; "
                "put its normal pictures there"
            ]
        if len(data.train) < 2:
            return [
                f"{where} has only one image {places.train}; at least two are needed, "
                "since routing estimates a covariance from them"
            ]
        return []

    def _test_problems(self, data: ClassData) -> list[str]:
        where, places = self.where(data.name), self.places
        found: list[str] = []
        both = "AUROC needs good and anomalous pictures"
        if not data.test:
            found.append(
                f"{where} has no images {places.test}{places.looked}; put normal pictures "
                f"{places.test_good} and anomalous ones {places.test_anomalous}"
            )
        elif not data.test_good:
            found.append(
                f"{where} has no images {places.test_good}{places.looked}; {both}: "
                "move some normal ones there"
            )
        elif not data.test_anomalous:
            found.append(
                f"{where} has only good test images{places.looked}; {both}: put anomalous ones "
                f"{places.test_anomalous}"
            )
        return found

    def _mask_problems(self, data: ClassData) -> list[str]:
        if not data.masks or data.has_masks:
            return []
        bare = [picture for picture in data.test if picture.anomalous and picture.mask is None]
        return [
            f"{self.where(data.name)} has masks for {data.masks} of {data.test_anomalous} "
            f"anomalous pictures; the first without one is {bare[0].path}. "
            f"{self.mask_advice(bare[0])}"
        ]


def first_named(lines: list[str]) -> str:
    """The first ten lines, and how many more there are."""
    more = len(lines) - MAX_NAMED
    return "\n".join(lines[:MAX_NAMED] + ([f"and {more} more"] if more > 0 else []))


def composed(name: str) -> str:
    """A name in the form in which keyboards write it: some systems store `ü` as two letters."""
    return unicodedata.normalize("NFC", name)
