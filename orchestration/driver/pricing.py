"""What a plan is expected to take: seconds of stages, the schedule simulated with them, disk."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import fsum
from typing import Self

from moleflow.config import Config
from moleflow.data.sequences import Sequence, Task
from moleflow.training.footprint import bank_parameters, base_parameters
from moleflow.training.work import patches_of_picture
from orchestration.cluster.allowance import allowed_cpus
from orchestration.records.forecasts import Forecast
from orchestration.sharing.groups import Keys
from orchestration.sharing.keys import StageKeys
from orchestration.sharing.roles import Begun
from orchestration.sharing.simulation import Costs, Outcome, Simulation
from orchestration.studies.expansion import Trial
from orchestration.studies.known_classes import Pictures
from orchestration.studies.terms import Resources
from orchestration.views.rates import Rates

REAL = 4
"""Bytes of a number of trained tensors and of scores."""
SCORED = 1.5
"""Banks under which a class is scored, on average: its own, and those that its router errs to."""
KEPT = 4_000_000
"""Bytes that a trial leaves besides: its record, events, artifacts."""
BEGIN = 6.0
"""Seconds in which a worker imports what a trial needs."""


class Prices:
    """Seconds of the stages of a plan's trials."""

    def __init__(self, rates: Rates, pictures: Mapping[str, Pictures], begin: float = BEGIN):
        """Args:
        begin: seconds until a worker has begun; 0 where trials run in the driver itself.
        """
        self.begin = begin
        self._rates = rates
        self._pictures = pictures
        self._training: dict[tuple[int, bool], float] = {}
        """Per picture, by config."""
        self._train: dict[Task, int] = {}
        """Training pictures, by task."""
        self._features: dict[int, dict[str, tuple[str, float]]] = {}
        """By config and class."""
        self._kept: list[Config] = []
        """A config is known by its address, so it must stay."""

    @property
    def costs(self) -> Costs:
        return Costs(self.features, self.training, self.besides, self.begin)

    def features(self, trial: Trial, name: str) -> tuple[str, float]:
        """Of a class: their key on no machine, and seconds."""
        found = self._features.setdefault(id(trial.config), {})
        if name not in found:
            self._kept.append(trial.config)
            keys = StageKeys(trial, device="", threads=0)
            for each in trial.classes:
                one = self._pictures[each]
                seconds = self._rates.features(trial.config, one.train + one.test)
                found[each] = keys.features(each), seconds
        return found[name]

    def training(self, trial: Trial, index: int) -> float:
        """Of a task."""
        config = trial.config
        whole = index == 0 or not config.freeze_base or config.separate
        name = (id(config), whole)
        if name not in self._training:
            self._kept.append(config)
            self._training[name] = self._rates.training(config, base_too=whole, pictures=1.0)
        task = trial.sequence[index]
        if task not in self._train:
            self._train[task] = sum(self._pictures[one].train for one in task)
        return self._training[name] * self._train[task] * config.data.fraction

    def besides(self, trial: Trial, trains: bool) -> float:
        tests = sum(self._pictures[name].test for name in trial.classes)
        return self._rates.besides(trial.config, tests, trains=trains)


@dataclass(frozen=True)
class Left:
    """Trials that are left to run, and what is known that they need."""

    keys: Keys
    trials: tuple[Trial, ...]
    begun: Mapping[str, Begun]
    verdicts: Mapping[str, bool]
    made: frozenset[str]
    """Keys on no machine of tasks and features that the store holds."""
    sharing: bool = True

    def simulated(self, prices: Prices, workers: int) -> Outcome:
        """What comes of it with so many trials at a time."""
        found = Simulation(
            self.keys,
            self.trials,
            prices.costs,
            begun=self.begun,
            verdicts=self.verdicts,
            made=self.made,
            sharing=self.sharing,
        )
        return found.run(workers)


@dataclass(frozen=True)
class Estimate:
    """What trials that are left are expected to take."""

    left: Left
    prices: Prices
    rates: Rates
    workers: int
    """Trials at a time; 0: as many as a cluster gives, which is not known."""

    @cached_property
    def outcome(self) -> Outcome:
        return self.left.simulated(self.prices, self.workers or max(1, len(self.left.trials)))

    @cached_property
    def critical_path(self) -> float:
        """Seconds, however many workers there are."""
        return self.left.simulated(self.prices, max(1, len(self.left.trials))).wall

    @cached_property
    def alone(self) -> float:
        """Seconds, did no trial take anything from another, and did those that are one
        run as often as they are asked for."""
        known: dict[object, float] = {}
        found = 0.0
        for trial in self.left.trials:
            alike = (id(trial.config), trial.sequence)
            if alike not in known:
                known[alike] = self._alone(trial)
            found += known[alike] * (1 + len(trial.also))
        return found

    def _alone(self, trial: Trial) -> float:
        own = fsum(self.prices.training(trial, i) for i in range(len(trial.sequence)))
        own += fsum(self.prices.features(trial, name)[1] for name in trial.classes)
        return own + self.prices.besides(trial, True) + self.prices.begin

    @property
    def computing(self) -> float:
        """Seconds of all workers, without those in which they wait."""
        return self.outcome.busy

    def forecast(self) -> Forecast:
        """To be kept."""
        return Forecast(
            made=time.time(),
            basis=self.rates.basis,
            workers=self.workers,
            computing=round(self.computing, 1),
            wall=round(self.outcome.wall, 1) if self.workers else 0.0,
            tasks={key: round(each[0], 2) for key, each in self.outcome.trained.items()},
            trials={key: round(each, 2) for key, each in self.outcome.at_work.items()},
        )


def disk(left: Left, prices: Prices, pictures: Mapping[str, Pictures]) -> dict[str, int]:
    """Bytes that these trials will leave, by what takes them."""
    features: dict[str, int] = {}
    trained: dict[str, int] = {}
    scores = 0
    sizes: dict[int, _Sizes] = {}
    seen = set[tuple[int, Sequence]]()
    for trial in left.trials:
        config, keys = trial.config, left.keys.tasks[trial.key]
        if id(config) not in sizes:
            sizes[id(config)] = _Sizes.of(config)
        size = sizes[id(config)]
        if (id(config), trial.sequence) not in seen:
            seen.add((id(config), trial.sequence))
            for name in trial.classes:
                one, (key, _) = pictures[name], prices.features(trial, name)
                features[key] = (one.train + one.test) * size.features
        for index, key in enumerate(keys):
            if key not in trained and key not in left.made:
                own = index == 0 or config.separate or not config.freeze_base
                trained[key] = size.bank + (size.base if own else 0)
                scores += size.scores * sum(pictures[name].test for name in trial.sequence[index])
    kept = KEPT * len(left.trials)
    each = (sum(features.values()), sum(trained.values()), scores, kept)
    return dict(zip(("features", "trained", "scores", "records"), each, strict=True))


@dataclass(frozen=True)
class _Sizes:
    """Bytes by a config."""

    features: int
    """Of a picture."""
    scores: int
    """Of a test picture."""
    bank: int
    base: int

    @classmethod
    def of(cls, config: Config) -> Self:
        grid = patches_of_picture(config)
        number = config.patches.dim * (2 if config.patches.dtype == "float16" else 4)
        bank, base = REAL * bank_parameters(config), REAL * base_parameters(config)
        return cls(grid * number, int(SCORED * grid * REAL), bank, base)


def usual_workers(resources: Resources, gpus: int = 0) -> int:
    """Trials that this machine runs at a time; 0 where a cluster does.

    Args:
        gpus: of this machine.
    """
    if resources.address is not None:
        return 0
    by_cpus = int(allowed_cpus() / resources.cpus_per_trial)
    if resources.gpus_per_trial and resources.device != "cpu":
        return max(1, int(max(1, gpus) / resources.gpus_per_trial))
    return max(1, by_cpus)
