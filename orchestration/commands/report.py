"""`moleflow report`."""

from pathlib import Path

from rich.markup import escape

from orchestration.commands.consoles import out
from orchestration.commands.options import RootOption
from orchestration.driver.reporting import write_report
from orchestration.records.layout import Root
from orchestration.records.plans import read_plan


def report(study: str, *, root: RootOption = Path("runs")) -> int:
    """Write a study's report anew, from the ledger alone."""
    place = Root.at(root)
    read_plan(study, place)
    written = write_report(study, place)
    out.print(escape(written.headline), soft_wrap=True)
    out.print(f"report    {escape(str(written.html))}")
    return 0
