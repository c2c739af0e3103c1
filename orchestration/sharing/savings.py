"""How much of a plan is trained, and how much shared or stored, known before anything runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from moleflow.wording import counted
from orchestration.sharing.groups import Keys
from orchestration.sharing.roles import Part, apart
from orchestration.studies.expansion import Trial

Held: TypeAlias = Callable[[Trial, str], frozenset[str]]
"""Of a trial's tasks and features, those that lie in the store, by their keys on no machine. The
text is the trial's identity where it takes nothing from others, and else empty."""


@dataclass(frozen=True)
class Savings:
    """Trained stages of the trials that have no record yet, on one kind of machine."""

    asked: int
    """Bases and adapters of these trials."""
    distinct: int
    """Those of them with a key of their own."""
    witnesses: int
    """Stages that are trained a second time, to be compared."""
    derived: int
    """Trials that wait for a certificate, and train nothing if it holds."""
    stored: int = 0
    """Of those with a key of their own and of those trained a second time, in the store."""

    @property
    def sentence(self) -> str:
        """For people; empty where nothing is left."""
        trained = self.distinct + self.witnesses - self.stored
        if not self.asked:
            return ""
        if trained == self.asked:
            return f"{counted(self.asked, 'task')} to train"
        if not trained:
            many = counted(self.asked, "task")
            return f"{many}, none of which is left to train: the store holds them"
        rest = "shared" if not self.stored else "shared or in the store"
        are = "is" if trained == 1 else "are"
        text = (
            f"{counted(self.asked, 'task')}, of which {trained} {are} trained and the rest {rest}"
        )
        if not self.derived:
            return text
        wait = f"{counted(self.derived, 'trial')} wait{'s' if self.derived == 1 else ''}"
        twice = f"{counted(self.witnesses, 'task')} {'is' if self.witnesses == 1 else 'are'}"
        return (
            f"{text}; {wait} for the order-invariance certificate, for which {twice} trained twice"
        )


def nothing(trial: Trial, apart: str) -> frozenset[str]:
    """What an empty store holds."""
    return frozenset()


def savings(keys: Keys, left: Mapping[str, Part], held: Held = nothing) -> Savings:
    """What trials of a plan share.

    Args:
        left: by trial, what those without a record will do.
    """
    asked = distinct = witnesses = waiting = stored = 0
    for key, part in left.items():
        tasks = keys.tasks[key]
        trains = {tasks[index] for index in part.trains}
        asked += len(tasks)
        if part.role == "witness":
            witnesses += len(trains)
        else:
            distinct += len(trains)
        waiting += part.waits
        if trains:
            trial = keys.trial(key)
            stored += len(trains & held(trial, apart(part.role, trial)))
    return Savings(asked, distinct, witnesses, waiting, stored)
