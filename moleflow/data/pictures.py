"""What a class of a data set consists of: pictures, where they were sorted, and their masks."""

from dataclasses import dataclass
from pathlib import Path

GOOD = "good"


@dataclass(frozen=True)
class Picture:
    """One photograph, what it was sorted as, and its mask if it has one.

    `defect` is `good` for a normal picture, whatever its data set calls that.
    """

    path: Path
    defect: str
    mask: Path | None = None
    more_masks: tuple[Path, ...] = ()
    """Where a picture has a mask for each of its defects: the others."""

    @property
    def anomalous(self) -> bool:
        return self.defect != GOOD

    @property
    def masks(self) -> tuple[Path, ...]:
        """What they mark together is anomalous."""
        return () if self.mask is None else (self.mask, *self.more_masks)

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path, *self.masks)


@dataclass(frozen=True)
class ClassData:
    """The pictures of one product class, in the order of their folders and names."""

    name: str
    train: tuple[Picture, ...]
    test: tuple[Picture, ...]
    good_masks: tuple[Path, ...] = ()
    """Masks of normal pictures, where there are any. They are not used, and should mark nothing."""

    @property
    def has_masks(self) -> bool:
        """Whether every anomalous test picture has a mask, so that pixel metrics exist."""
        return self.masks == self.test_anomalous

    @property
    def test_good(self) -> int:
        return sum(not picture.anomalous for picture in self.test)

    @property
    def test_anomalous(self) -> int:
        return sum(picture.anomalous for picture in self.test)

    @property
    def masks(self) -> int:
        return sum(picture.mask is not None for picture in self.test)
