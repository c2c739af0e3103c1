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
    from orchestration.studies.axes import Grid, Orders, TaskZero
    from orchestration.studies.study import Study
    from orchestration.studies.terms import Resources

__all__ = ["Grid", "Orders", "Resources", "Result", "Study", "TaskZero", "load", "run"]

_PLACES = {
    "run": "driver.front",
    "Result": "records.finished",
    "load": "records.finished",
    "Grid": "studies.axes",
    "Orders": "studies.axes",
    "Study": "studies.study",
    "TaskZero": "studies.axes",
    "Resources": "studies.terms",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
