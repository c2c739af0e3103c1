"""`moleflow report`, and how a report is found."""

from importlib.metadata import entry_points
from pathlib import Path

from rich.markup import escape

from moleflow.errors import StudyError
from orchestration.commands.consoles import out
from orchestration.commands.options import RootOption
from orchestration.records.layout import Root
from orchestration.records.plans import read_plan


def report(study: str, *, root: RootOption = Path("runs")) -> int:
    """Write a study's report anew, from the ledger alone."""
    place = Root.at(root)
    read_plan(study, place)
    write_report(study, place)
    return 0


def write_report(name: str, root: Root) -> None:
    """Reports stand above this package, so they are found by entry point, never imported.

    Raises:
        StudyError: the study asks for a report that is not there.
    """
    kind = read_plan(name, root).study.report
    found = [entry for entry in entry_points(group="moleflow.reports") if entry.name == kind]
    if not found:
        known = ", ".join(entry.name for entry in entry_points(group="moleflow.reports"))
        raise StudyError(f"study {name!r} asks for an unknown report {kind!r}; known are {known}")
    written = found[0].load()(root.study(name))
    out.print(escape(written.headline), soft_wrap=True)
    out.print(f"report    {escape(str(written.html))}")
