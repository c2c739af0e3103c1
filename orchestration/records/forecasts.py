"""`studies/<study>/forecasts.jsonl`: what a run was expected to take when it began, a line each.

Kept so that prediction and truth can be compared; nothing rests on it, and a line that is none is
passed over.
"""

from pydantic import Field

from moleflow.files import read_regular
from moleflow.settings import Settings
from orchestration.records.files import write_atomically
from orchestration.records.layout import StudyFolder


class Forecast(Settings):
    """Of the trials that were left then."""

    made: float
    """Seconds since 1970."""
    basis: str
    """What the seconds rest on, in words."""
    workers: int
    """Trials at a time; 0: as many as a cluster gives, which is not known."""
    computing: float
    """Seconds of all workers together."""
    wall: float
    """Seconds until the last trial ends; 0 where workers are not known."""
    tasks: dict[str, float] = Field(default_factory=dict[str, float])
    """Seconds of training each task that was to be trained, by its key on no machine in
    particular (`orchestration.sharing.keys`)."""
    trials: dict[str, float] = Field(default_factory=dict[str, float])
    """Seconds that each trial was to be at work, by its key."""


def read_forecasts(folder: StudyFolder) -> list[Forecast]:
    """The earliest first."""
    try:
        lines = read_regular(folder.forecasts).splitlines()
    except OSError:
        return []
    found: list[Forecast] = []
    for line in lines:
        try:
            found.append(Forecast.model_validate_json(line))
        except ValueError:
            continue
    return found


def keep_forecast(forecast: Forecast, folder: StudyFolder) -> None:
    """Raises:
    StoreError: the study's folder cannot be written.
    """
    kept = [*read_forecasts(folder), forecast]
    write_atomically(folder.forecasts, "".join(f"{one.model_dump_json()}\n" for one in kept))
