"""What is anomalous in a class's test pictures: read once per class, by threads beside the rest."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from moleflow.config import Config
from moleflow.data.ahead import done_ahead
from moleflow.data.catalog import ClassData
from moleflow.data.images import load_mask
from moleflow.data.pictures import Picture
from moleflow.metrics.regions import Regions, regions_of
from moleflow.types import Bool

AHEAD = 64
"""Masks that may be decoded before they are stacked."""


@dataclass(frozen=True)
class Truth:
    """Of one class."""

    labels: Bool[np.ndarray, " n"]
    """Which test pictures are anomalous."""
    regions: Regions | None
    """Anomalous regions of their maps; None where there is no mask, or nothing left of any."""


class Truths(ABC):
    """Of several classes."""

    @abstractmethod
    def begin(self, names: Iterable[str]) -> None:
        """These classes will be asked for, in this order."""

    @abstractmethod
    def of(self, name: str) -> Truth:
        """Raises:
        DataError: a mask cannot be read.
        """


class KnownTruths(Truths):
    """Of pictures that were drawn."""

    def __init__(self, known: Mapping[str, Truth]):
        self._known = known

    def begin(self, names: Iterable[str]) -> None:
        """They are there."""

    def of(self, name: str) -> Truth:
        return self._known[name]


class ReadTruths(Truths):
    """Of test pictures; each class is read by threads from when somebody first asks for it."""

    def __init__(self, data: Mapping[str, ClassData], config: Config):
        self._data = data
        self._config = config
        self._reader = ThreadPoolExecutor(1, "truth")
        self._coming: dict[str, Future[Truth]] = {}

    def begin(self, names: Iterable[str]) -> None:
        """Start to read these classes, in this order; goes on meanwhile."""
        for name in names:
            if name not in self._coming:
                self._coming[name] = self._reader.submit(read_truth, self._data[name], self._config)

    def of(self, name: str) -> Truth:
        """Raises:
        DataError: a mask cannot be read.
        """
        self.begin([name])
        return self._coming[name].result()


def read_truth(data: ClassData, config: Config) -> Truth:
    """Raises:
    DataError: a mask cannot be read.
    """
    labels = np.array([picture.anomalous for picture in data.test])
    if not (data.masks and data.has_masks):
        return Truth(labels, None)
    size, resize = config.map_size, config.image.resize

    def mask_of(picture: Picture) -> Bool[np.ndarray, "s s"]:
        return load_mask(picture.masks, size, resize)

    masks = np.stack(list(done_ahead(mask_of, data.test, AHEAD)))
    # Where `crop` cuts off all that is marked there is nothing to measure.
    return Truth(labels, regions_of(masks) if masks.any() else None)
