"""In which order the trials of a plan run: so that what has run is worth reading at any time.

A *setting* is what replicates have in common: config and sequence; its *replicates* are its seeds.
Trials run in waves, the n-th replicate of every setting in the n-th wave: first one seed of all.
Inside of a wave the choice of task 0 goes round, then the order of the others, so that every config
has run equally often, give or take one. Among the trials of one such round come first

1. those that more comparisons need: a baseline is in all of its study's, and a setting that several
   parts of a union ask for is in several;
2. those whose stages more trials need: they are there when the others start;
3. those that take longer: a long one that starts last is waited for.

A pure function of the plan: the same for every driver, whatever has run already.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from moleflow.training.work import training_work
from orchestration.studies.axes import Variants
from orchestration.studies.effects import part_of
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.points import points_asked
from orchestration.studies.study import Study

Tasks = Mapping[str, Sequence[str]]
"""By trial, the keys of its tasks."""


def in_precedence(plan: Plan, tasks: Tasks) -> tuple[Trial, ...]:
    """The trials of a plan in the order in which they run, as far as none has to wait for others
    (`sharing.roles`)."""
    variants, comparisons = _Variants(), _Comparisons(plan.study)
    needed = Counter(key for keys in tasks.values() for key in keys)
    seeds, orders, rounds = Counter[Hashable](), Counter[Hashable](), Counter[Hashable]()
    firsts: dict[Hashable, int] = {}
    places: dict[str, tuple[int, ...]] = {}
    for trial in plan.trials:
        variant, sequence = variants.of(trial), trial.sequence
        replicate = _count(seeds, (variant, sequence))
        wave, first = (variant, replicate), (variant, replicate, sequence[0])
        if first not in firsts:
            firsts[first] = _count(rounds, wave)
        places[trial.key] = (
            replicate,
            _count(orders, first),
            firsts[first],
            -comparisons.of(trial),
            -sum(needed[key] for key in tasks[trial.key]),
            -variants.work(variant) * len(trial.classes),
        )
    return tuple(sorted(plan.trials, key=lambda trial: places[trial.key]))


def _count(counter: Counter[Hashable], name: Hashable) -> int:
    """How often it was counted before."""
    counter[name] += 1
    return counter[name] - 1


class _Variants:
    """Numbers of what trials have in common besides order and seed: config, weights, and how many
    classes each task has."""

    def __init__(self) -> None:
        self._by_object: dict[int, int] = {}
        """Trials of one point mostly hold one config: hashing a tree takes long."""
        self._configs: dict[Hashable, int] = {}
        self._numbers: dict[Hashable, int] = {}
        self._works: list[int] = []

    def of(self, trial: Trial) -> int:
        place = id(trial.config)
        if place not in self._by_object:
            config: Any = trial.config  # frozen, so hashable, whatever its type says
            known = self._configs.setdefault(config, len(self._configs))
            self._by_object[place] = known
        name = (self._by_object[place], trial.weights, tuple(map(len, trial.sequence)))
        if name not in self._numbers:
            self._numbers[name] = len(self._numbers)
            whole = not trial.config.freeze_base or trial.config.separate
            self._works.append(training_work(trial.config, base_too=whole))
        return self._numbers[name]

    def work(self, variant: int) -> int:
        """Of training, per picture."""
        return self._works[variant]


class _Comparisons:
    """How many settings of its study, or parts of it, are compared with a trial's; the baseline's
    own is one of them, so that it comes before the other one of two."""

    def __init__(self, study: Study):
        self._study = study
        self._settings: dict[str, int] = {}

    def of(self, trial: Trial) -> int:
        return sum(self._under(axes, trial) for axes in (trial.axes, *trial.also))

    def _under(self, axes: Mapping[str, str], trial: Trial) -> int:
        name = axes.get("part", "")
        study = part_of(self._study, axes)
        if name not in self._settings:
            self._settings[name] = points_asked(study)
        return self._settings[name] if _is_baseline(study, axes, trial) else 1


def _is_baseline(study: Study, axes: Mapping[str, str], trial: Trial) -> bool:
    """Named so by an axis of variants; where there is none, the base of the study."""
    named = {a.name: a.baseline for a in study.varying_axes if isinstance(a, Variants)}
    if named:
        return all(axes.get(name, baseline) == baseline for name, baseline in named.items())
    return trial.config == study.base
