"""What a study left on disk: its plan, its trials' records, and their numbers by name."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from moleflow.config import Config
from moleflow.data.sequences import task_name
from moleflow.metrics.catalogue import METRICS, Metric
from orchestration.records import results
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, MisfitError, Record
from orchestration.records.plans import plan_of
from orchestration.sharing.no_effect import Outcome
from orchestration.studies.expansion import Plan, Trial, order_numbers
from orchestration.studies.named_settings import (
    NamedSetting,
    named_settings,
    one_setting_each,
    other_names,
    trials_of,
)
from reports.alike import Alike
from reports.measurements import Measurements

T = TypeVar("T")

LONGEST_NAME = 24
"""Characters of a task's name in labels and cells."""


@dataclass(frozen=True)
class Setting:
    """Trials of one config that differ in task 0, order and seed, whatever names it has."""

    number: int
    label: str
    """The first of its names."""
    trials: tuple[Trial, ...]
    finished: tuple[Record, ...]
    names: tuple[NamedSetting, ...] = ()
    """Every one under which it is looked at here; the study may have more."""

    @property
    def also(self) -> str:
        """Its other names, as far as they differ from the first; empty where there are none."""
        others = other_names(self.names) if len(self.names) > 1 else ()
        return f"also: {'; '.join(others)}" if others else ""

    @property
    def fields(self) -> dict[str, str]:
        """What it is called, in lines of tables."""
        return {"setting": self.label, "also": self.also.removeprefix("also: ")}

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted({name for trial in self.trials for name in trial.classes}))

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({record.seed for record in self.finished}))


@dataclass(frozen=True)
class Evidence:
    """All that a report may speak of."""

    plan: Plan
    records: tuple[Record, ...]
    """Of planned trials, in the plan's order; their numbers are in `measurements`."""
    strays: int
    """Records in the ledger that the plan does not ask for."""
    measurements: Measurements
    folder: StudyFolder
    """Where it was read, for what trials left beside their records."""
    misfits: tuple[str, ...] = ()
    """What is wrong with files of the ledger that are not the records of their names."""
    _read: dict[object, Any] = field(default_factory=dict[object, Any], repr=False, compare=False)

    def once(self, read: Callable[["Evidence"], T], *of: Hashable) -> T:
        """What this reads beside the records or makes of them, by the first that asks for it.

        Args:
            of: by which it is known; `read` itself where nothing is given.
        """
        key = of or read
        if key not in self._read:
            self._read[key] = read(self)
        return self._read[key]

    @property
    def finished(self) -> tuple[Record, ...]:
        return tuple(record for record in self.records if record.status == "finished")

    @property
    def unfinished(self) -> tuple[Record, ...]:
        """Diverged or failed."""
        return tuple(record for record in self.records if record.status != "finished")

    @property
    def missing(self) -> tuple[Trial, ...]:
        """Planned, and not in the ledger."""
        known = {record.key for record in self.records}
        return tuple(trial for trial in self.plan.trials if trial.key not in known)

    @cached_property
    def concluded(self) -> tuple[Metric, ...]:
        """Metrics that reports conclude on, each with the study's margin."""
        declared = self.plan.study.margins
        metrics = (replace(m, margin=declared.get(m.name, m.margin)) for m in METRICS)
        return tuple(metric for metric in metrics if metric.margin is not None)

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """Of finished trials, by key: what is compared to find settings that changed nothing."""
        return _Outcomes(self._done, self.measurements)

    @cached_property
    def orders(self) -> dict[str, str]:
        return order_numbers(self.plan)

    @cached_property
    def tasks(self) -> dict[str, str]:
        """A name that fits a label for each task of the plan, by its classes joined with `+`."""
        return short_names({task for trial in self.plan.trials for task in trial.sequence})

    @property
    def configs(self) -> tuple[Config, ...]:
        """Of each setting."""
        found = tuple(setting.trials[0].config for setting in self.settings)
        return found or (self.plan.study.base,)

    @cached_property
    def named(self) -> list[NamedSetting]:
        """One per name that the study has for a setting."""
        return named_settings(self.plan)

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """One per config and its sequences, under its first name; a single one with an empty label
        where nothing but task 0, order and seed varies."""
        return self.settings_of(self.named)

    def settings_of(self, named: Iterable[NamedSetting]) -> tuple[Setting, ...]:
        """Those that have these names, each once under the first, with all of its trials."""
        found: dict[int, list[NamedSetting]] = {}
        for one in named:
            found.setdefault(self._numbers[one.label], []).append(one)
        return tuple(self._setting(number, tuple(names)) for number, names in found.items())

    @cached_property
    def _groups(self) -> list[list[NamedSetting]]:
        return one_setting_each(self.named)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """Of settings, from 1, by each of their names."""
        return {one.label: i for i, of in enumerate(self._groups, start=1) for one in of}

    @cached_property
    def _done(self) -> dict[str, Record]:
        return {record.key: record for record in self.finished}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {trial.key: place for place, trial in enumerate(self.plan.trials)}

    def _setting(self, number: int, names: tuple[NamedSetting, ...]) -> Setting:
        found = trials_of(self._groups[number - 1])
        trials = tuple(found[key] for key in sorted(found, key=self._places.__getitem__))
        done = tuple(self._done[trial.key] for trial in trials if trial.key in self._done)
        return Setting(number, names[0].label, trials, done, names)


class _Outcomes(Mapping[str, Outcome]):
    """Each made when it is asked for, and not kept: of most trials nobody asks."""

    def __init__(self, finished: Mapping[str, Record], measurements: Measurements):
        self._finished, self._measurements = finished, measurements

    def __getitem__(self, key: str) -> Outcome:
        record, finals = self._finished[key], self._measurements.finals
        numbers = {(m.name, n): v for m in METRICS for n, v in finals(record, m.name).items()}
        return Outcome(record.hashes, numbers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._finished)

    def __len__(self) -> int:
        return len(self._finished)


def load(folder: StudyFolder) -> Evidence:
    """Read a study's plan, its records without their numbers, and the numbers: of the table of
    results, where it was made of this ledger, and else of the records.

    Raises:
        StudyError: the study has not been planned.
        StoreError: its plan is damaged.
    """
    alike, ledger = Alike(), Ledger(folder)
    plan = plan_of(folder, alike.shared)
    planned = {trial.key for trial in plan.trials}
    found = dict[str, Record]()
    misfits: list[MisfitError] = []
    known = ledger.keys()
    for key in known:
        try:
            record = ledger.read_brief(key)
        except MisfitError as error:
            misfits.append(error)
            continue
        if record is not None and key in planned:
            found[key] = alike.shared(_lean(record))
    measurements = Measurements()
    damaged = list[MisfitError]()
    for trial, rows in results.measured(folder, set(found), damaged):
        measurements.add(trial, rows)
    for error in damaged:
        found.pop(error.path.stem)
    misfits += damaged
    records = tuple(found[trial.key] for trial in plan.trials if trial.key in found)
    strays = len(known) - len(records) - len(misfits)
    return Evidence(plan, records, strays, measurements, folder, tuple(sorted(map(str, misfits))))


def _lean(record: Record) -> Record:
    """Without numbers, which are in the measurements, and without what only a store or a search in
    progress asks for."""
    means = tuple(row for row in record.selection if row.definition == "step_mean")
    return record.model_copy(update={"rows": (), "uses": {}, "selection": means})


def classes_of(record: Record) -> list[str]:
    """The classes of a record's sequence, in learning order."""
    return [name for task in record.sequence for name in task]


def keys(records: Iterable[Record]) -> list[str]:
    """Of trials, in their order."""
    return [record.key for record in records]


def short_names(tasks: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """A task's classes joined with `+`; of a long one the first class and how many more, numbered
    where that would name two tasks alike."""
    short: dict[str, list[str]] = {}
    for task in sorted(tasks):
        full = task_name(task)
        fits = len(full) <= LONGEST_NAME or len(task) == 1
        short.setdefault(full if fits else f"{task[0]} and {len(task) - 1} more", []).append(full)
    return {
        full: name if len(alike) == 1 else f"{name} ({i})"
        for name, alike in short.items()
        for i, full in enumerate(alike, start=1)
    }


def trained_alike(record: Record) -> tuple[str, int, tuple[str, ...]]:
    """Task 0, seed and tasks: trials of a setting that agree in these share all that they train,
    where training does not depend on the order."""
    return record.task0, record.seed, tuple(sorted(map(task_name, record.sequence)))


def task_zeros(records: Iterable[Record]) -> list[str]:
    """Names of task 0 among the records, sorted."""
    return sorted({record.task0 for record in records})
