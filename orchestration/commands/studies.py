"""The command line about studies as such: `moleflow status`, `moleflow studies`."""

from pathlib import Path

from rich.markup import escape

from orchestration.commands.consoles import out
from orchestration.commands.options import RootOption
from orchestration.records.layout import Root

DONE = 0


def status(study: str, *, root: RootOption = Path("runs")) -> int:
    """Show what of a study is done, from the ledger alone."""
    from orchestration.records.plans import read_plan
    from orchestration.views.status import status_table

    place = Root.at(root)
    out.print(status_table(read_plan(study, place), place))
    return DONE


def studies() -> int:
    """List the studies that come with the package."""
    from orchestration.studies.catalog import known_studies, load_study

    for name in known_studies():
        _, study = load_study(name)
        out.print(f"{name:<14} {escape(study.question)}")
    return DONE
