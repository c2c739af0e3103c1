"""What a data folder in MVTec layout holds. Reads folders and files, never tensors.

CLASS/train/good/*, CLASS/test/good/*, CLASS/test/DEFECT/* and, for each anomalous picture,
CLASS/ground_truth/DEFECT/<stem>_mask.png (or <stem>.png).
A class without any mask is allowed; it has no pixel metrics.
"""

import difflib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from moleflow.data.decoding import decode_mask, decode_picture
from moleflow.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
GOOD = "good"
MAX_NAMED = 10


@dataclass(frozen=True)
class Picture:
    """One photograph, the folder it was sorted into, and its mask if it has one."""

    path: Path
    defect: str
    mask: Path | None = None

    @property
    def anomalous(self) -> bool:
        return self.defect != GOOD


@dataclass(frozen=True)
class ClassData:
    """The pictures of one product class, in the order of their folders and names."""

    name: str
    train: tuple[Picture, ...]
    test: tuple[Picture, ...]

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


def open_catalog(root: Path, classes: Sequence[str] = ()) -> dict[str, ClassData]:
    """The named classes below `root` (all, if none is named), sorted by name.

    Raises:
        DataError: the folder, a class or one of its parts is missing, or only some masks are there.
    """
    known = _class_names(root)
    for name in classes:
        if name not in known:
            raise DataError(_unknown_class(root, name, known))
    return {name: _open_class(root / name) for name in sorted(set(classes) or known)}


def check_pictures(data: ClassData, progress: Callable[[int], None] | None = None) -> None:
    """Decode every picture and mask of a class completely.

    `progress` is told, after each picture, how many of the class's pictures are done.

    Raises:
        DataError: files that cannot be read, masks of another size than their picture, masks that
            mark nothing. All problems of the class in one message, the first ten by name.
    """
    problems: list[str] = []
    for done, picture in enumerate((*data.train, *data.test), start=1):
        problems += _problems(picture)
        if progress is not None:
            progress(done)
    if problems:
        more = len(problems) - MAX_NAMED
        lines = problems[:MAX_NAMED] + ([f"and {more} more"] if more > 0 else [])
        raise DataError(f"class '{data.name}' has damaged files:\n" + "\n".join(lines))


def fingerprint(data: ClassData) -> str:
    """20 hex digits that change with any name, split, size or content of the class's files.

    Names count from the class's folder on, so the same files elsewhere give the same digits.
    """
    files = [p.path for p in (*data.train, *data.test)] + [p.mask for p in data.test if p.mask]
    digest = hashlib.sha256()
    for name, file in sorted((_name_in_class(file), file) for file in files):
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        # NUL cannot occur in a name, so no two lists of files read alike.
        digest.update(f"{name}\0{file.stat().st_size}\0{content}\0".encode())
    return digest.hexdigest()[:20]


def _name_in_class(file: Path) -> str:
    return file.relative_to(file.parents[2]).as_posix()


def _class_names(root: Path) -> list[str]:
    if not root.is_dir():
        state = "is not a folder" if root.exists() else "does not exist"
        raise DataError(f"{root}: {state}; name the folder that holds the classes with --data")
    if (root / "train").is_dir():
        raise DataError(
            f"{root}: is itself a class (it holds train/); use its parent, {root.parent}"
        )
    names = sorted(folder.name for folder in root.iterdir() if _looks_like_class(folder))
    if not names:
        raise DataError(
            f"{root}: holds no class (no folder with train/good in it); "
            "name the folder that holds the classes with --data"
        )
    return names


def _looks_like_class(folder: Path) -> bool:
    hidden = folder.name.startswith(".")
    return not hidden and ((folder / "train").is_dir() or (folder / "test").is_dir())


def _unknown_class(root: Path, name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"{root}: no class '{name}'{hint} (there are: {', '.join(known)})"


def _open_class(folder: Path) -> ClassData:
    train = tuple(Picture(path, GOOD) for path in _images(folder / "train" / GOOD))
    test = tuple(
        picture
        for defect in _folders(folder / "test")
        for picture in _sorted_into(defect, folder / "ground_truth" / defect.name)
    )
    data = ClassData(folder.name, train, test)
    _check_counts(folder, data)
    _check_masks(folder, data)
    return data


def _check_counts(folder: Path, data: ClassData) -> None:
    where = f"{folder.parent}: class '{data.name}'"
    looked = f"(looked for {', '.join(SUFFIXES)})"
    if not data.train:
        raise DataError(
            f"{where} has no images under train/good {looked}; put its normal pictures there"
        )
    if len(data.train) < 2:
        raise DataError(
            f"{where} has only one image under train/good; at least two are needed, "
            "since routing estimates a covariance from them"
        )
    if not data.test:
        raise DataError(
            f"{where} has no images under test {looked}; put normal pictures in test/good "
            "and anomalous ones in test/<defect>"
        )
    if not data.test_good:
        raise DataError(
            f"{where} has no images under test/good {looked}; AUROC needs good and anomalous "
            "pictures: move some normal ones there"
        )
    if not data.test_anomalous:
        raise DataError(
            f"{where} has only good test images {looked}; AUROC needs good and anomalous "
            "pictures: put anomalous ones in test/<defect>"
        )


def _check_masks(folder: Path, data: ClassData) -> None:
    if not data.masks or data.has_masks:
        return
    first = next(picture for picture in data.test if picture.anomalous and picture.mask is None)
    raise DataError(
        f"{folder.parent}: class '{data.name}' has masks for {data.masks} of "
        f"{data.test_anomalous} anomalous pictures; the first without one is {first.path}. "
        f"Add ground_truth/{first.defect}/{first.path.stem}_mask.png, or remove ground_truth "
        "to go without pixel metrics"
    )


def _sorted_into(defect: Path, ground_truth: Path) -> list[Picture]:
    """The pictures of one folder below test/, each with its mask."""
    if defect.name == GOOD:
        return [Picture(path, GOOD) for path in _images(defect)]
    masks = {path.stem: path for path in _images(ground_truth)}
    return [
        Picture(path, defect.name, masks.get(f"{path.stem}_mask") or masks.get(path.stem))
        for path in _images(defect)
    ]


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def _problems(picture: Picture) -> list[str]:
    problems: list[str] = []
    size = mask_size = None
    try:
        size = decode_picture(picture.path).size
    except DataError as error:
        problems.append(str(error))
    if picture.mask is None:
        return problems
    try:
        mask = decode_mask(picture.mask)
        mask_size = (mask.shape[1], mask.shape[0])
        if not mask.any():
            problems.append(f"{picture.mask}: marks no pixel as anomalous; redraw or remove it")
    except DataError as error:
        problems.append(str(error))
    if size and mask_size and size != mask_size:
        problems.append(
            f"{picture.mask}: is {mask_size[0]} x {mask_size[1]} pixels but its picture "
            f"{picture.path} is {size[0]} x {size[1]}; make them the same size"
        )
    return problems
