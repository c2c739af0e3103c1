"""KolektorSDD2: one product; {train,test}/NNNNN.png, each with a mask NNNNN_GT.png.

A picture is defective if its mask has a pixel that is not black, so the masks are read to know.
Defective training pictures are left out: training is on normal ones.
"""

from functools import cached_property, lru_cache
from pathlib import Path

from moleflow.data.dataset_layout import Layout, Places
from moleflow.data.decoding import decode_mask
from moleflow.data.listing import images
from moleflow.data.pictures import GOOD, ClassData, Picture
from moleflow.data.strays import beside_pictures
from moleflow.errors import DataError

NAME = "kolektorsdd2"
DEFECT = "defect"
MASK = "_GT"


class KsddLayout(Layout):
    """One class, whose root folder it is."""

    title = "KolektorSDD2"
    places = Places(
        train="in train with a black mask",
        test="in test",
        test_good="in test with a black mask",
        test_anomalous="in test with a mask that marks something",
    )

    def class_names(self) -> list[str]:
        return [NAME]

    def read_class(self, name: str) -> ClassData:
        train = [picture for picture in self._labelled["train"] if not picture.anomalous]
        return ClassData(name, tuple(train), tuple(self._labelled["test"]))

    def contradictions(self, name: str) -> list[str]:
        try:
            assert self._labelled
        except DataError as error:
            return [str(error)]
        return []

    def mask_advice(self, picture: Picture) -> str:
        raise AssertionError(f"{picture.path}: it is the mask that makes a picture defective")

    def untaken(self, data: ClassData) -> list[str]:
        alone = [
            path
            for split in ("train", "test")
            for path in images(self.root / split)
            if path.stem.endswith(MASK) and not list(_pictures_of(path))
        ]
        told = [line for split in ("train", "test") for line in beside_pictures(self.root / split)]
        if alone:
            told.append(f"{len(alone)} masks belong to no picture; the first is {alone[0]}")
        return told

    def remarks(self, data: ClassData) -> list[str]:
        left = sum(picture.anomalous for picture in self._labelled["train"])
        return [f"{left} defective training pictures are not trained on"] if left else []

    @cached_property
    def _labelled(self) -> dict[str, list[Picture]]:
        """Raises:
        DataError: a mask is missing or cannot be read.
        """
        return {split: self._split(self.root / split) for split in ("train", "test")}

    def _split(self, folder: Path) -> list[Picture]:
        files = images(folder)
        masks = {path.stem: path for path in files if path.stem.endswith(MASK)}
        found: list[Picture] = []
        for path in files:
            if path.stem in masks:
                continue
            mask = masks.get(f"{path.stem}{MASK}")
            if mask is None:
                raise DataError(
                    f"{path}: has no mask {path.stem}{MASK}.png, which says whether it is "
                    "defective; take it from the archive again"
                )
            status = mask.stat()
            marked = _marks(mask, status.st_size, status.st_ino, status.st_ctime_ns)
            found.append(Picture(path, DEFECT, mask) if marked else Picture(path, GOOD))
        return found


def is_ksdd(root: Path) -> bool:
    """Whether a folder is KolektorSDD2's root."""
    try:
        return any(path.stem.endswith(MASK) for path in images(root / "train"))
    except DataError:  # told by whoever reads it
        return False


def _pictures_of(mask: Path) -> list[Path]:
    stem = mask.stem.removesuffix(MASK)
    return [path for path in images(mask.parent) if path.stem == stem]


@lru_cache(maxsize=10_000)
def _marks(mask: Path, size: int, inode: int, changed: int) -> bool:
    """Whether a mask of this appearance marks anything; looked at once in a process."""
    return bool(decode_mask(mask).any())
