"""How much of a plan is trained, and how much shared or stored, known before anything runs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from orchestration.sharing.certificate import Certificate, Group, Keys
from orchestration.studies.expansion import Trial

Held: TypeAlias = Callable[[Trial, str], frozenset[str]]
"""Of a trial's tasks, those whose result lies in the store, by their keys on no machine. The text
is the trial's key where it takes nothing from others, and else empty."""


@dataclass(frozen=True)
class Sharing:
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
            return f"{self.asked} tasks to train"
        if not trained:
            return f"{self.asked} tasks, none of which is left to train: the store holds them"
        rest = "shared" if not self.stored else "shared or in the store"
        text = f"{self.asked} tasks, of which {trained} are trained and the rest {rest}"
        if not self.derived:
            return text
        wait = "1 trial waits" if self.derived == 1 else f"{self.derived} trials wait"
        return (
            f"{text}; {wait} for the order-invariance certificate, for which "
            f"{self.witnesses} tasks are trained twice"
        )


def nothing(trial: Trial, apart: str) -> frozenset[str]:
    """What an empty store holds."""
    return frozenset()


def sharing(
    keys: Keys,
    done: Collection[str] = (),
    certificates: Mapping[str, Sequence[Certificate]] | None = None,
    held: Held = nothing,
) -> Sharing:
    """What the trials of a plan share.

    Args:
        done: keys of trials that have a record.
        certificates: known already, by group.
    """
    wanted, stored, known = set[str](), set[str](), certificates or {}
    total = Sharing(0, 0, 0, 0)
    for group in {group.id: group for group in keys.groups.values()}.values():
        left = [trial for trial in group.trials if trial.key not in done]
        if any(not one.holds for one in known.get(group.id, ())):
            total = _added(total, _apart(left, keys, held))
            continue
        wanted |= {key for trial in left for key in keys.tasks[trial.key]}
        stored |= {key for trial in left for key in held(trial, "")}
        asked = sum(len(keys.tasks[trial.key]) for trial in left)
        total = _added(total, Sharing(asked, 0, 0, 0))
        if group.several and left and group.id not in known:
            total = _added(total, _compared(group, left, held))
    found = Sharing(0, len(wanted), 0, 0, len(wanted & stored))
    return _added(total, found)


def _compared(group: Group, left: Sequence[Trial], held: Held) -> Sharing:
    """What showing that orders cannot matter costs, and whom it spares."""
    second = [trial for trial in group.trials if trial.sequence == group.orders[1]]
    spared = sum(t.sequence not in group.orders[:2] or t in second[1:] for t in left)
    if second[0] not in left:
        return Sharing(0, 0, 0, spared)
    stored = len(held(second[0], second[0].key))
    return Sharing(0, 0, len(second[0].sequence), spared, stored)


def _apart(left: Sequence[Trial], keys: Keys, held: Held) -> Sharing:
    """Trials that take nothing from each other."""
    tasks = sum(len(keys.tasks[trial.key]) for trial in left)
    return Sharing(tasks, tasks, 0, 0, sum(len(held(trial, trial.key)) for trial in left))


def _added(one: Sharing, other: Sharing) -> Sharing:
    return Sharing(*(a + b for a, b in zip(_numbers(one), _numbers(other), strict=True)))


def _numbers(found: Sharing) -> tuple[int, ...]:
    return (found.asked, found.distinct, found.witnesses, found.derived, found.stored)
