"""How trials of a search compare after some of their tasks: a sealed file for each that came.

A trial is compared with those that came before it, whenever they did: nobody waits (ASHA, Li et al.
2020, in its form that stops). What was decided stays so, also for a later attempt.
"""

import math
from pathlib import Path

from moleflow.errors import StoreError
from moleflow.files import read_regular
from moleflow.sealed import seal, unsealed
from moleflow.settings import Settings
from orchestration.records.files import write_atomically


class Arrival(Settings):
    """A trial after so many tasks."""

    trial: str
    tasks: int
    value: float
    """What the search makes large."""
    place: int
    """Among those that came before, and itself; from 1."""
    among: int
    goes_on: bool


def arrive(rung: Path, trial: str, tasks: int, value: float, keep: float) -> Arrival:
    """A trial has learned so many tasks; whether it goes on.

    Args:
        rung: folder of those that it is compared with.
        keep: share that goes on, at least one.

    Raises:
        StoreError: the folder cannot be written.
    """
    there = {path.stem: one for path in rung.glob("*.json") if (one := _read(path)) is not None}
    if trial in there:
        return there[trial]
    others = [one.value for one in there.values()]
    place, among = 1 + sum(other > value for other in others), 1 + len(others)
    found = Arrival(
        trial=trial,
        tasks=tasks,
        value=value,
        place=place,
        among=among,
        goes_on=place <= math.ceil(keep * among),
    )
    write_atomically(rung / f"{trial}.json", seal(found.model_dump_json(indent=1)))
    return found


def _read(path: Path) -> Arrival | None:
    """One that is damaged, or not of its name, has not come."""
    try:
        found = Arrival.model_validate_json(unsealed(read_regular(path)))
    except (OSError, ValueError, StoreError):
        return None
    return found if found.trial == path.stem else None
