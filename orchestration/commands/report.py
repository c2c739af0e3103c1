"""`moleflow report`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.markup import escape

from moleflow.errors import StoreError, StudyError
from orchestration.commands.consoles import err, out
from orchestration.commands.options import RootOption
from orchestration.driver.reporting import write_against, write_index, write_reports
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.plans import read_plan


def report(
    study: Annotated[str, Parameter(help="Its name; default: a page of all studies.")] = "",
    *,
    kind: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=True, help="Kinds of report; default: those of the study."),
    ] = (),
    against: Annotated[
        str, Parameter(help="Another study: compare the settings that both have, pair by pair.")
    ] = "",
    root: RootOption = Path("runs"),
) -> int:
    """Write a study's reports anew, from the ledger alone; without one, the page of all studies."""
    place = Root.at(root)
    if not study:
        if kind or against:
            raise StudyError("--kind and --against are of one study; name it: moleflow report NAME")
        place.check_format()
        if not place.study_names():
            raise StudyError(f"no study has been run in {place.path}; is --root right?")
        pages = [write_index(place)]
    else:
        read_plan(study, place)
        _mend_table(place.study(study))
        pages = (
            [write_against(place, study, against)] if against else write_reports(study, place, kind)
        )
    for written in pages:
        out.print(escape(written.headline), soft_wrap=True)
        out.print(f"report    {escape(str(written.html))}")
    return 0


def _mend_table(folder: StudyFolder) -> None:
    """A report stands on the records, whatever becomes of the table of them."""
    from orchestration.records import results

    try:
        results.mend(folder)
    except StoreError as error:
        told = f"{folder.results} is damaged, and not mended: {error}"
        err.print(f"[yellow]warning:[/] {escape(told)}")
