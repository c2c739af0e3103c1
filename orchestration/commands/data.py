"""The command line about data sets: `moleflow data check`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from moleflow.data.inspection import ClassInspection, Inspection, Size, inspect
from moleflow.data.pictures import ClassData
from orchestration.commands.consoles import err, out

SOUND, UNSOUND = 0, 1

app = App(name="data", help="Look into data sets.")


@app.command
def check(
    folder: Annotated[Path, Parameter(help="Folder that holds the classes.")],
    *,
    classes: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, help="Classes; default: all.")
    ] = (),
) -> int:
    """Show what a data set holds, and everything that is wrong with it.

    Layouts: MVTec AD and any folder like it (MPDD), MVTec LOCO, MVTec AD 2, BTAD, VisA, Real-IAD,
    DAGM 2007, KolektorSDD2. The exit code is 0 when nothing is wrong, 1 when something is, 2 when
    the folder cannot be opened.
    """
    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("decoding", total=None)
        found = inspect(
            folder.expanduser(),
            classes,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    _print(found)
    return UNSOUND if found.problems else SOUND


def _print_problems(name: str, problems: Sequence[str]) -> None:
    if problems:
        out.print(Text(f"{name}: {_count(len(problems), 'problem')}", style="bold red"))
        for problem in problems:
            out.print(Text(f"  {problem}"))


def _print(found: Inspection) -> None:
    known = [one.data for one in found.classes if one.data is not None]
    pictures = sum(len(data.train) + len(data.test) for data in known)
    out.print(
        Text(
            f"{found.root}: {found.layout}, {_count(len(found.classes), 'class', 'classes')}, "
            f"{_count(pictures, 'picture')}"
        )
    )
    out.print(_table(found.classes), soft_wrap=False)
    bare = [data.name for data in known if data.test_anomalous and not data.masks]
    if bare:
        out.print(Text(f"no masks, so no pixel metrics: {', '.join(bare)}"))
    for one in found.classes:
        _print_problems(one.name, one.problems)
    told = [f"{one.name}: {remark}" for one in found.classes for remark in one.remarks]
    for remark in (*found.remarks, *told):
        out.print(Text(remark))
    if not found.problems:
        remarks = len(found.remarks) + len(told)
        more = f", but see the {_count(remarks, 'remark')} above" if remarks else ""
        out.print(f"nothing is wrong{more}")


def _table(classes: Sequence[ClassInspection]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("class", overflow="fold")
    for header in ("train", "test\ngood", "test\nanomalous", "masks"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("width x height", overflow="fold")
    table.add_column("mode", overflow="fold")
    for one in classes:
        cells = (one.name, *_counts(one.data), _sizes(one.sizes), ", ".join(one.modes))
        table.add_row(*map(Text, cells))
    return table


def _counts(data: ClassData | None) -> tuple[str, str, str, str]:
    if data is None:
        return "?", "?", "?", "?"
    masks = str(data.masks) if data.masks else "none"
    return str(len(data.train)), str(data.test_good), str(data.test_anomalous), masks


def _sizes(sizes: Sequence[Size]) -> str:
    """`256 x 256`, or the ranges of width and height and how many sizes there are."""
    if not sizes:
        return ""
    spans = [
        f"{min(side)}..{max(side)}" if len(set(side)) > 1 else str(side[0])
        for side in zip(*sizes, strict=True)
    ]
    return " x ".join(spans) + (f"\n{len(sizes)} sizes" if len(sizes) > 1 else "")


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
