"""The command line about studies as such: `moleflow status`, `moleflow studies`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.markup import escape

from orchestration.commands.consoles import answer, out
from orchestration.commands.options import JsonOption, RootOption
from orchestration.records.layout import Root

if TYPE_CHECKING:
    from orchestration.views.answers import Known

DONE = 0


def status(
    study: str,
    *,
    failures: Annotated[
        bool, Parameter(help="Why trials failed, each traceback once.", negative="")
    ] = False,
    as_json: JsonOption = False,
    root: RootOption = Path("runs"),
) -> int:
    """Show what of a study is done, from the ledger alone."""
    from orchestration.records.plans import read_plan
    from orchestration.views.failures import failures_page
    from orchestration.views.status import status_table

    place = Root.at(root)
    if as_json:
        from orchestration.views.status_answer import status_answer

        answer(status_answer(read_plan(study, place), place))
        return DONE
    page = failures_page if failures else status_table
    out.print(page(read_plan(study, place), place))
    return DONE


def studies(
    study: Annotated[str, Parameter(help="One of them, or a .py file: all of it.")] = "",
    *,
    as_json: JsonOption = False,
) -> int:
    """List the studies that come with the package."""
    from orchestration.studies.catalog import docstring_of, known_studies, load_study

    if as_json:
        from orchestration.views.answers import StudiesAnswer

        answer(StudiesAnswer(studies=tuple(map(_known, [study] if study else known_studies()))))
        return DONE
    if study:
        name, found = load_study(study)
        text = docstring_of(study) or f"{name}: {found.question}"
        out.print(text, markup=False, highlight=False)
        return DONE
    width = max(map(len, known_studies()))
    for name in known_studies():
        _, found = load_study(name)
        out.print(f"{name:<{width}}  {escape(found.question)}")
    return DONE


def _known(study: str) -> "Known":
    from orchestration.studies.catalog import docstring_of, load_study
    from orchestration.views.answers import Known

    name, found = load_study(study)
    text = docstring_of(study)
    return Known(name=name, question=found.question, reports=found.reports, text=text)
