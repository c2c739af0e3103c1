"""The settings of a plan, and under how many names it asks for each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestration.studies.effects import PLACES, setting_name
from orchestration.studies.expansion import Plan, Trial

BASE = "the base config"
"""What the setting is called that changes nothing."""


@dataclass(frozen=True)
class NamedSetting:
    """Trials that share one value on every axis but task 0 and order, under one of their names."""

    axes: Mapping[str, str]
    """Without task 0 and order."""
    trials: tuple[Trial, ...]
    """In the plan's order."""

    @property
    def label(self) -> str:
        return setting_name(self.axes)

    @property
    def part(self) -> str:
        """Of a union, the part that asks for it."""
        return self.axes.get("part", "")


def named_settings(plan: Plan) -> list[NamedSetting]:
    """One for every name; a trial stands under each of its names."""
    axes: dict[str, dict[str, str]] = {}
    trials: dict[str, dict[str, Trial]] = {}
    for trial in plan.trials:
        for one in (trial.axes, *trial.also):
            name = setting_name(one)
            axes.setdefault(name, {k: v for k, v in one.items() if k not in PLACES})
            trials.setdefault(name, {})[trial.key] = trial
    return [NamedSetting(axes[name], tuple(of.values())) for name, of in trials.items()]


def one_setting_each(named: Iterable[NamedSetting]) -> list[list[NamedSetting]]:
    """Names that are one setting, together: one config, learned in the same sequences.

    Names of one config that ask for other sequences are apart, as a mean over other orders is
    another number; other seeds of the same sequences repeat it, and are the setting's, too.
    """
    alike: dict[object, list[NamedSetting]] = {}
    for one in named:
        sequences = frozenset(trial.sequence for trial in one.trials)
        alike.setdefault((one.trials[0].config, sequences), []).append(one)
    return list(alike.values())


def trials_of(names: Iterable[NamedSetting]) -> dict[str, Trial]:
    """Of all names of a setting, by key, each once."""
    return {trial.key: trial for one in names for trial in one.trials}


def other_names(names: Sequence[NamedSetting]) -> tuple[str, ...]:
    """What a setting is called besides its first name: what differs from that."""
    first, *others = names
    told = (
        {k: v for k, v in one.axes.items() if first.axes.get(k) != v} or one.axes for one in others
    )
    return tuple(dict.fromkeys(setting_name(axes) or BASE for axes in told))
