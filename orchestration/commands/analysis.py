"""The command line about analyses: `moleflow analyse`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.markup import escape

from orchestration.commands.consoles import err, out
from orchestration.commands.model import DeviceOption, ThreadsOption, prepared
from orchestration.commands.options import RootOption
from orchestration.driver.reporting import write_analyses
from orchestration.records.layout import Root
from orchestration.store.address import absolute_store

if TYPE_CHECKING:
    from moleflow.analysis import Analysis, Subject

DONE = 0


def analyse(
    trial: Annotated[
        str,
        Parameter(
            help="A trial's key or its beginning, or STUDY/ and that; or a study: all its finished "
            "trials."
        ),
    ],
    *,
    what: Annotated[str, Parameter(help="Analyses, with commas between; default: all.")] = "",
    root: RootOption = Path("runs"),
    store: Annotated[
        str | None,
        Parameter(help="Folder or URI (s3://…) of stage results; default: where the trial's lie."),
    ] = None,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = None,
) -> int:
    """Analyse finished trials: spectrum, similarity, shift, dia_effect, routing, cost, area."""
    from moleflow.analysis import ANALYSES
    from orchestration.models.analysis import chosen_analyses, finished_records, subject_of
    from orchestration.records.provenance import device_kind

    place, names = Root.at(root), chosen_analyses(what)
    records = finished_records(trial, place, warn)
    on, where = prepared(device, threads), absolute_store(store)
    kind = device_kind(on)
    for record in records:
        out.print(f"trial     {record.key}  {escape(record.order)}, seed {record.seed}")
        subject = subject_of(record, place, on, where)
        folder = place.study(record.study).analyses(record.key)
        made = _made(subject, names)
        written = write_analyses(record, made, tuple(ANALYSES), folder, kind)
        out.print(f"analyses  {escape(str(written.html))}")
    return DONE


def _made(subject: "Subject", names: Sequence[str]) -> "Iterator[Analysis]":
    from moleflow.analysis import ANALYSES

    for name in names:
        out.print(f"          {name}")
        yield ANALYSES[name](subject)


def warn(text: str) -> None:
    """Something that does not end the command."""
    err.print(f"[yellow]warning:[/] {escape(text)}")
