"""What is in a data set and what is wrong with it: all classes, all files, all problems at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from moleflow.data.dataset_layout import Layout
from moleflow.data.examination import Examined, examine
from moleflow.data.findings import findings
from moleflow.data.pictures import ClassData, Picture
from moleflow.data.recognition import recognise
from moleflow.data.sequences import check_class_name
from moleflow.errors import StudyError
from moleflow.files import is_text, shown

Size = tuple[int, int]


@dataclass(frozen=True)
class ClassInspection:
    """A class, its problems, and the distinct sizes (width, height) and modes of its pictures.

    `data` is None if what describes the class cannot be understood.
    """

    name: str
    problems: tuple[str, ...]
    data: ClassData | None = None
    sizes: tuple[Size, ...] = ()
    modes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    """How its files are read, where that could be done in several ways."""


@dataclass(frozen=True)
class Inspection:
    """A root folder, the name of its layout, and its classes, sorted."""

    root: Path
    layout: str
    classes: tuple[ClassInspection, ...]
    remarks: tuple[str, ...] = ()
    """Of what lies beside the classes."""

    @property
    def problems(self) -> int:
        return sum(len(found.problems) for found in self.classes)


def inspect(
    root: Path,
    classes: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Inspection:
    """Decode every file of the named classes (all, if none is named); broken ones stop nothing.

    `progress` is told, after each picture, how many are done, of how many.

    Raises:
        DataError: the layout cannot be told, or there is no such class.
    """
    layout = recognise(root)
    contradictions = {name: layout.contradictions(name) for name in layout.chosen(classes)}
    read = {name: layout.read_class(name) for name, found in contradictions.items() if not found}
    total, done = sum(len(data.train) + len(data.test) for data in read.values()), 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    first: dict[str, Picture] = {}
    """Pictures by digest, of the classes before."""
    found = (
        _inspect_class(layout, read[name], advance, first)
        if name in read
        else ClassInspection(name, tuple(contradictions[name]))
        for name in contradictions
    )
    passed = () if classes else (*layout.unreadable.values(), *layout.beside())
    return Inspection(root, layout.title, tuple(found), passed)


def _inspect_class(
    layout: Layout, data: ClassData, advance: Callable[[], None], before: dict[str, Picture]
) -> ClassInspection:
    seen: list[Examined] = []
    nameless = [
        f"{shown(file)}: its name is not UTF-8, so it cannot be written down; rename it"
        for picture in (*data.train, *data.test)
        for file in picture.files
        if not is_text(str(file))
    ]
    for picture in (*data.train, *data.test):
        seen.append(examine(picture))
        advance()
    train, test = seen[: len(data.train)], seen[len(data.train) :]
    found = findings(train, test, data.good_masks)
    problems = [
        *_misnamed(data.name),
        *nameless,
        *layout.problems(data),
        *layout.untaken(data),
        *_without_mask(data),
        *(problem for one in seen for problem in one.problems),
        *found.faults,
    ]
    return ClassInspection(
        data.name,
        tuple(map(shown, problems)),
        data,
        tuple(sorted({one.size for one in seen if one.size is not None})),
        tuple(sorted({one.mode for one in seen if one.mode is not None})),
        (
            *layout.remarks(data),
            *found.remarks,
            *([found.cut_off] if found.cut_off else []),
            *_in_other_classes(seen, before),
        ),
    )


def _misnamed(name: str) -> Iterator[str]:
    """Why no study can learn a class of this name, if so."""
    try:
        check_class_name(name)
    except StudyError as error:
        yield str(error)


def _in_other_classes(seen: Sequence[Examined], before: dict[str, Picture]) -> Iterator[str]:
    """Pictures that a class before has too; its own are added to those."""
    known = [(one.picture, before[d]) for one in seen if (d := one.digest) and d in before]
    if known:
        picture, other = known[0]
        yield (
            f"{len(known)} picture{'s have' if len(known) > 1 else ' has'} the same pixels as "
            f"pictures of other classes: the first is {picture.path}, as {other.path}"
        )
    for one in seen:
        if one.digest is not None:
            before.setdefault(one.digest, one.picture)


def _without_mask(data: ClassData) -> Iterator[str]:
    """Each picture that lacks a mask, where others of its class have one."""
    if data.masks and not data.has_masks:
        for picture in data.test:
            if picture.anomalous and picture.mask is None:
                yield f"{picture.path}: has no mask"
