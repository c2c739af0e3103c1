"""The report of a study: found by name, as reports stand above this package."""

from importlib.metadata import entry_points
from typing import Protocol

from moleflow.errors import StudyError
from orchestration.records.layout import Root
from orchestration.records.plans import read_plan


class Written(Protocol):
    """What every report says of itself."""

    headline: str
    html: object


def write_report(name: str, root: Root) -> Written:
    """Write a study's report anew, from the ledger alone.

    Raises:
        StudyError: the study asks for a report that is not there.
    """
    kind = read_plan(name, root).study.report
    found = [entry for entry in entry_points(group="moleflow.reports") if entry.name == kind]
    if not found:
        known = ", ".join(entry.name for entry in entry_points(group="moleflow.reports"))
        raise StudyError(f"study {name!r} asks for an unknown report {kind!r}; known are {known}")
    return found[0].load()(root.study(name))
