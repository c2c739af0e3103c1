"""What a study left on disk: its plan, its trials' records, and their numbers by name."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from moleflow.config import Config
from moleflow.data.sequences import task_name
from moleflow.metrics.catalogue import METRICS, Metric
from orchestration.records import results
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, MisfitError, Record
from orchestration.records.plans import plan_of
from orchestration.records.results import Name, Rows
from orchestration.sharing.no_effect import Outcome
from orchestration.studies.expansion import Plan, Trial, order_numbers
from orchestration.studies.named_settings import (
    NamedSetting,
    named_settings,
    one_setting_each,
    other_names,
    trials_of,
)

LONGEST_NAME = 24
"""Characters of a task's name in labels and cells."""


class Measurements:
    """Numbers of the ledger, found by trial and name. Fractions of 1.

    Held as plain arrays: a number takes its eight bytes, whatever its names are.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Float[np.ndarray, "names steps"]] = {}
        self._summaries: dict[str, Float[np.ndarray, " names"]] = {}
        self._entry_names: dict[tuple[str, str, str], int] = {}
        """Class, metric and routing."""
        self._summary_names: dict[tuple[str, str, str], int] = {}
        """Metric, definition and routing."""

    def add(self, trial: str, rows: Rows) -> None:
        """All numbers of a trial."""
        entry, summary = self._places(rows.known)
        of_class = entry[rows.names] >= 0
        names, steps = entry[rows.names[of_class]], rows.steps[of_class]
        size = (int(names.max(initial=-1)) + 1, int(steps.max(initial=0)))
        entries = np.full(size, np.nan)
        entries[names, steps - 1] = rows.values[of_class]
        self._entries[trial] = entries
        # Where several steps have one, the last stands.
        order = np.argsort(rows.steps[~of_class], kind="stable")
        names = summary[rows.names[~of_class]][order]
        summaries = np.full(int(names.max(initial=-1)) + 1, np.nan)
        summaries[names] = rows.values[~of_class][order]
        self._summaries[trial] = summaries

    def _places(self, measured: Sequence[Name]) -> tuple[np.ndarray, np.ndarray]:
        """Of each name among the entries and among the summaries; -1 where it is none of them."""
        entry, summary = np.full(len(measured), -1), np.full(len(measured), -1)
        for i, (class_name, metric, definition, routing) in enumerate(measured):
            if class_name:
                key = class_name, metric, routing
                entry[i] = self._entry_names.setdefault(key, len(self._entry_names))
            else:
                key = metric, definition, routing
                summary[i] = self._summary_names.setdefault(key, len(self._summary_names))
        return entry, summary

    def summary(
        self, trial: str, metric: str, definition: str, routing: str = "routed"
    ) -> float | None:
        """A number over classes, e.g. `final_mean`; where several steps have it, the last."""
        place = self._summary_names.get((metric, definition, routing))
        found = self._summaries.get(trial)
        if place is None or found is None or place >= len(found):
            return None
        return _number(found[place])

    def entry(
        self, record: Record, step: int, class_name: str, metric: str, routing: str = "routed"
    ) -> float | None:
        """R[step, class]: the class's number when `step` tasks had been learned (from 1)."""
        place = self._entry_names.get((class_name, metric, routing))
        found = self._entries.get(record.key)
        if place is None or found is None or place >= len(found) or step > found.shape[1]:
            return None
        return _number(found[place, step - 1])

    def along(
        self, record: Record, class_name: str, metric: str, routing: str = "routed"
    ) -> list[float]:
        """`entry` of every step of the sequence; NaN where there is none."""
        place = self._entry_names.get((class_name, metric, routing))
        found, steps = self._entries.get(record.key), len(record.sequence)
        if place is None or found is None or place >= len(found):
            return [math.nan] * steps
        known: list[float] = found[place, :steps].tolist()
        return known + [math.nan] * (steps - len(known))

    def final(
        self, record: Record, class_name: str, metric: str, routing: str = "routed"
    ) -> float | None:
        """The class's number at the end of the sequence; None where it cannot be measured."""
        return self.entry(record, len(record.sequence), class_name, metric, routing)

    def finals(self, record: Record, metric: str, routing: str = "routed") -> dict[str, float]:
        """Numbers at the end of the sequence by class, of the classes that have one."""
        found = {c: self.final(record, c, metric, routing) for c in classes_of(record)}
        return {name: value for name, value in found.items() if value is not None}

    @cached_property
    def definitions(self) -> list[str]:
        """Summary definitions that the table holds, other than means at or along the way."""
        means = {"step", "step_mean", "final_mean", "on_task_mean"}
        return sorted({definition for _, definition, _ in self._summary_names} - means)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


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

    @cached_property
    def outcomes(self) -> dict[str, Outcome]:
        """Of finished trials, by key: what is compared to find settings that changed nothing."""
        finals = self.measurements.finals
        return {
            record.key: Outcome(
                record.hashes,
                {(m.name, n): v for m in METRICS for n, v in finals(record, m.name).items()},
            )
            for record in self.finished
        }

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


def load(folder: StudyFolder) -> Evidence:
    """Read a study's plan, its records without their numbers, and the numbers: of the table of
    results, where it was made of this ledger, and else of the records.

    Raises:
        StudyError: the study has not been planned.
        StoreError: its plan is damaged.
    """
    plan, ledger = plan_of(folder), Ledger(folder)
    planned = {trial.key for trial in plan.trials}
    alike = _Alike()
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
            found[key] = alike.lean(record)
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


class _Alike:
    """Gives records one object where they hold equal ones: hundreds of trials have one config."""

    def __init__(self) -> None:
        self._known: dict[str, object] = {}
        self._texts: dict[str, str] = {}

    def lean(self, record: Record) -> Record:
        """Without numbers, which are in the measurements, and what only a store asks for."""
        shared = ("config", "data", "versions", "result_versions", "fingerprints")
        one = {name: self._one(name, getattr(record, name)) for name in shared}
        one["hashes"] = {self._text(n): self._text(h) for n, h in record.hashes.items()}
        return record.model_copy(update={**one, "rows": (), "uses": {}})

    def _one(self, name: str, value: object) -> object:
        return self._known.setdefault(f"{name} {value!r}", value)

    def _text(self, text: str) -> str:
        return self._texts.setdefault(text, text)


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
