"""Which trials of a plan train the same stages: a group (docs/design.md: order invariance)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from moleflow.data.sequences import Sequence as TaskSequence
from orchestration.sharing.keys import task_keys
from orchestration.sharing.precedence import in_precedence
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.trial_keys import digest


@dataclass(frozen=True)
class Group:
    """Trials that train the same stages, in one or more orders."""

    id: str
    trials: tuple[Trial, ...]

    @cached_property
    def orders(self) -> tuple[TaskSequence, ...]:
        """In the plan's order, each once."""
        return tuple(dict.fromkeys(trial.sequence for trial in self.trials))

    @property
    def several(self) -> bool:
        """Whether there are orders to compare."""
        return len(self.orders) > 1


@dataclass(frozen=True)
class Keys:
    """What each trial of a plan trains, and with which other trials it may be compared."""

    trials: tuple[Trial, ...]
    """In the order in which they run (`orchestration.sharing.precedence`)."""
    tasks: Mapping[str, tuple[str, ...]]
    """By trial, the keys of its tasks."""
    groups: Mapping[str, Group]
    """By trial, its group."""

    def trial(self, key: str) -> Trial:
        return self._by_key[key]

    @cached_property
    def _by_key(self) -> dict[str, Trial]:
        return {trial.key: trial for trial in self.trials}


def group_id(trial: Trial) -> str:
    """Same for trials that train the same stages, in whatever order and on whatever machine."""
    return _group_id(task_keys(trial))


def _group_id(tasks: Iterable[str]) -> str:
    return digest(sorted(tasks))


def keys_of(plan: Plan) -> Keys:
    """Takes half a millisecond per trial."""
    tasks = {trial.key: task_keys(trial) for trial in plan.trials}
    members: dict[str, list[Trial]] = {}
    for trial in plan.trials:
        members.setdefault(_group_id(tasks[trial.key]), []).append(trial)
    groups = [Group(name, tuple(trials)) for name, trials in members.items()]
    by_trial = {trial.key: group for group in groups for trial in group.trials}
    return Keys(in_precedence(plan, tasks), tasks, by_trial)


def first_of(plan: Plan, count: int | None) -> Plan:
    """The plan, with those of its trials alone that run first; all of them where none are counted.

    They are the first ones of the whole plan whatever has run: asked again, they are the same.
    """
    if count is None or count >= len(plan.trials):
        return plan
    return plan.model_copy(update={"trials": keys_of(plan).trials[:count]})
