"""Studies of task sequences: asked, run on a Ray cluster, tracked, and read again.

    from moleflow import profiles
    from orchestration import Grid, Study, run

    study = Study(question="...", base=profiles.quick(), axes=(Grid(field=..., values=(...)),))
    result = run(study, data="DATA", root="runs")
    result.frame

Names are imported when they are asked for: what only loads a finished study imports neither Ray,
MLflow nor torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestration.driver.front import run
    from orchestration.records.finished import Result, load
    from orchestration.studies.axes import Grid, Orders, Scenarios, TaskZero, Variants, Zip
    from orchestration.studies.search import Search, choice, integer, log_uniform, uniform
    from orchestration.studies.study import Study
    from orchestration.studies.terms import Resources

__all__ = [
    "Grid",
    "Orders",
    "Resources",
    "Result",
    "Scenarios",
    "Search",
    "Study",
    "TaskZero",
    "Variants",
    "Zip",
    "choice",
    "integer",
    "load",
    "log_uniform",
    "run",
    "uniform",
]

_PLACES = {
    "run": "driver.front",
    "Result": "records.finished",
    "load": "records.finished",
    "Grid": "studies.axes",
    "Orders": "studies.axes",
    "Scenarios": "studies.axes",
    "Search": "studies.search",
    "Study": "studies.study",
    "TaskZero": "studies.axes",
    "Variants": "studies.axes",
    "Zip": "studies.axes",
    "choice": "studies.search",
    "integer": "studies.search",
    "log_uniform": "studies.search",
    "uniform": "studies.search",
    "Resources": "studies.terms",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
