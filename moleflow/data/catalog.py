"""What a data set holds, whatever its layout. Reads folders, lists and files, never tensors.

Known layouts: MVTec AD and any folder like it (MPDD, converted VisA), MVTec LOCO, MVTec AD 2, BTAD,
and VisA, Real-IAD, DAGM 2007 and KolektorSDD2 as published.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from moleflow.data.dataset_layout import Layout, first_named
from moleflow.data.examination import Examined, examine
from moleflow.data.findings import Findings, findings
from moleflow.data.opening import unusable
from moleflow.data.pictures import ClassData, Picture
from moleflow.data.recognition import recognise
from moleflow.errors import DataError
from moleflow.files import is_text, shown

__all__ = ["ClassData", "Picture", "check_pictures", "fingerprint", "open_catalog", "open_training"]


Say = Callable[[str], None]


def silent(line: str) -> None:
    """Nobody listens."""


def open_catalog(
    root: Path, classes: Sequence[str] = (), say: Say = silent
) -> dict[str, ClassData]:
    """The named classes below `root` (all, if none is named), sorted by name.

    `say` is told what lies there and is not taken.

    Raises:
        DataError: the folder, a class or one of its parts is missing, only some masks are there,
            or the folder holds classes of several layouts.
    """
    layout = recognise(root)
    catalog = {name: _open_class(layout, name) for name in layout.chosen(classes)}
    if say is not silent:
        _tell(layout, classes, say)
        for name, data in catalog.items():
            _tell_of(name, (*layout.untaken(data), *layout.remarks(data)), say)
    return catalog


def classes_in(root: Path) -> tuple[str, ...]:
    """Names of the classes that lie below a folder.

    Raises:
        DataError: it is no such folder.
    """
    return tuple(recognise(root).class_names())


def open_training(
    root: Path, classes: Sequence[str] = (), say: Say = silent
) -> dict[str, ClassData]:
    """As `open_catalog`, but of training pictures alone: a new product has no defects yet.

    Raises:
        DataError: the folder, a class or its training pictures are missing, or the folder holds
            classes of several layouts.
    """
    layout = recognise(root)
    catalog = {name: _open_training(layout, name) for name in layout.chosen(classes)}
    if say is not silent:
        _tell(layout, classes, say)
        for name, data in catalog.items():
            _tell_of(name, layout.untaken_of_training(data), say)
    return catalog


def _tell(layout: Layout, classes: Sequence[str], say: Say) -> None:
    """What lies beside the classes, where none were named."""
    for line in () if classes else (*layout.unreadable.values(), *layout.beside()):
        say(line)


def _tell_of(name: str, lines: Iterable[str], say: Say) -> None:
    for line in lines:
        say(f"{name}: {line}")


def check_pictures(data: ClassData, progress: Callable[[int], None] | None = None) -> Findings:
    """Decode every picture and mask of a class completely; returns what is to be told of them.

    `progress` is told, after each picture, how many of the class's pictures are done.

    Raises:
        DataError: files that cannot be read, masks of another size than their picture, masks that
            mark nothing. All problems of the class in one message, the first ten by name.
    """
    seen: list[Examined] = []
    for done, picture in enumerate((*data.train, *data.test), start=1):
        seen.append(examine(picture))
        if progress is not None:
            progress(done)
    problems = [problem for one in seen for problem in one.problems]
    if problems:
        raise DataError(f"class '{data.name}' has damaged files:\n{first_named(problems)}")
    return findings(seen[: len(data.train)], seen[len(data.train) :], data.good_masks)


def fingerprint(data: ClassData) -> str:
    """20 hex digits that change with any name, split, size or content of the class's files.

    Names are those that the files have or would have in MVTec layout, from the class's folder on,
    so the same files elsewhere give the same digits.
    """
    digest = hashlib.sha256()
    for name, file in sorted(_named_files(data)):
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        # NUL cannot occur in a name, so no two lists of files read alike.
        digest.update(f"{name}\0{file.stat().st_size}\0{content}\0".encode())
    return digest.hexdigest()[:20]


def _named_files(data: ClassData) -> Iterator[tuple[str, Path]]:
    for split, pictures in (("train", data.train), ("test", data.test)):
        for picture in pictures:
            yield f"{split}/{picture.defect}/{picture.path.name}", picture.path
            for mask in picture.masks:
                yield _mask_name(picture, mask), mask


def _mask_name(picture: Picture, mask: Path) -> str:
    """A mask's name says whose it is; where it does not, its picture's name is added."""
    stem = picture.path.stem
    owner = "" if mask.stem in (stem, f"{stem}_mask") else f"\0{picture.path.name}"
    return f"ground_truth/{picture.defect}/{mask.name}{owner}"


def _open_class(layout: Layout, name: str) -> ClassData:
    data = _read_class(layout, name)
    return _complete(layout, data, layout.problems(data))


def _open_training(layout: Layout, name: str) -> ClassData:
    data = replace(_read_class(layout, name), test=(), good_masks=())
    return _complete(layout, data, layout.training_problems(data))


def _read_class(layout: Layout, name: str) -> ClassData:
    contradictions = layout.contradictions(name)
    if contradictions:
        raise DataError(
            f"{layout.where(name)} is not described well:\n{first_named(contradictions)}"
        )
    return layout.read_class(name)


def _complete(layout: Layout, data: ClassData, problems: Sequence[str]) -> ClassData:
    """Raises:
    DataError: there are problems, or files that are missing.
    """
    if problems:
        raise DataError(problems[0])
    missing = [
        problem
        for picture in (*data.train, *data.test)
        for file in picture.files
        if (problem := _missing(file))
    ]
    if missing:
        raise DataError(
            f"{layout.where(data.name)} lists files that are missing; restore them:\n"
            f"{first_named(missing)}"
        )
    return data


def _missing(file: Path) -> str:
    """Why a file cannot be taken; empty if it can."""
    if not is_text(str(file)):
        return f"{shown(file)}: its name is not UTF-8, so it cannot be written down; rename it"
    return unusable(file) if os.path.lexists(file) else f"{file}: is not there"
