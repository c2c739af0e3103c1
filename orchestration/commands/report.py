"""`moleflow report`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.markup import escape

from orchestration.commands.consoles import out
from orchestration.commands.options import RootOption
from orchestration.driver.reporting import write_reports
from orchestration.records.layout import Root
from orchestration.records.plans import read_plan


def report(
    study: str,
    *,
    kind: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=True, help="Kinds of report; default: those of the study."),
    ] = (),
    root: RootOption = Path("runs"),
) -> int:
    """Write a study's reports anew, from the ledger alone."""
    place = Root.at(root)
    read_plan(study, place)
    for written in write_reports(study, place, kind):
        out.print(escape(written.headline), soft_wrap=True)
        out.print(f"report    {escape(str(written.html))}")
    return 0
