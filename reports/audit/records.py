"""A study's plan and ledger, read a second time: as plain JSON, and not as reports read them.

Checksums are tested, as everywhere; beyond that, names of fields are all that is known here.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from moleflow.errors import StoreError, StudyError
from moleflow.files import read_regular
from moleflow.sealed import unsealed

NOT_SETTINGS = ("task0", "order", "ordering")
"""Axes that do not make another setting."""
MARGINS = {"image_auroc": 0.005, "pixel_ap": 0.01}
"""Where a study declares none."""
LONGEST_NAME = 24
"""Of a task of several classes that is called by all of them."""


class Place(NamedTuple):
    """Where a number stands in a record."""

    step: int
    class_name: str
    """Empty for a number over classes."""
    metric: str
    definition: str
    routing: str

    @property
    def told(self) -> str:
        of = f" of {self.class_name}" if self.class_name else ""
        return f"{self.metric}{of}, {self.definition} after step {self.step}, {self.routing}"


@dataclass(frozen=True)
class Trial:
    """What was planned, and, if it finished, what was measured."""

    key: str
    seed: int
    sequence: tuple[tuple[str, ...], ...]
    axes: Mapping[str, str]
    status: str
    """Empty where the ledger has no record."""
    numbers: Mapping[Place, float]
    config: Mapping[str, Any]
    also: tuple[Mapping[str, str], ...]
    """Other axes under which the study asks for it."""
    recorded: Mapping[str, Any]
    """The whole record but its rows; empty where there is none."""

    @property
    def routing(self) -> Mapping[str, Any]:
        """The router's choices after the last task; empty where none were recorded."""
        return self.recorded.get("routing") or {}

    @property
    def data(self) -> Mapping[str, Mapping[str, Any]]:
        """What was there of each class."""
        return self.recorded.get("data") or {}

    @property
    def failure(self) -> Mapping[str, Any]:
        """Why it did not finish."""
        return self.recorded.get("failure") or {}

    @property
    def losses(self) -> Mapping[str, float]:
        """Of each trained stage, in its last epoch; none in records of earlier versions."""
        return self.recorded.get("losses") or {}

    @property
    def order_free(self) -> bool:
        """Whether what it learns does not depend on the order after task 0."""
        return self.config["freeze_base"] and self.config["seeding"] == "by_class"

    @cached_property
    def training(self) -> tuple[object, ...]:
        """What all that it learns follows from, where that is free of the order."""
        config = json.dumps(self.config, sort_keys=True)
        return config, self.task0, self.seed, tuple(sorted(self.sequence))

    @cached_property
    def sent(self) -> tuple[int, int]:
        """Test images that went to their own task when all were known, and to another."""
        went = [0, 0]
        own = {name: "+".join(task) for task in self.sequence for name in task}
        counts = self.routing.get("counts", ())
        for name, row in zip(self.routing.get("classes", ()), counts, strict=True):
            for task, many in zip(self.routing["tasks"], row, strict=True):
                went[task != own[name]] += many
        return went[0], went[1]

    @cached_property
    def task0(self) -> str:
        return "+".join(self.sequence[0])

    @cached_property
    def order(self) -> str:
        return " > ".join("+".join(task) for task in self.sequence)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return tuple(name for task in self.sequence for name in task)

    def value(
        self, metric: str, definition: str, routing: str, class_name: str = "", step: int = 0
    ) -> float | None:
        """A number of this trial; step 0: the last one that has it."""
        steps = (step,) if step else range(len(self.sequence), 0, -1)
        for one in steps:
            found = self.numbers.get(Place(one, class_name, metric, definition, routing))
            if found is not None:
                return found
        return None


@dataclass(frozen=True)
class Records:
    """Every planned trial, in the plan's order."""

    trials: tuple[Trial, ...]
    data_root: str
    study: Mapping[str, Any]
    """As the plan writes it."""
    margins: Mapping[str, float]
    """Largest differences that do not matter, by metric; where the study declares none, ours."""
    folder: Path
    """The study's, for what trials keep beside their records."""
    known: dict[str, Any] = field(default_factory=dict[str, Any], compare=False)
    """What was recomputed of whole tables, by name, for their further lines."""

    def artifacts(self, trial: str) -> Path:
        """The folder of what a trial keeps, by its key."""
        return self.folder / "trials" / trial / "artifacts"

    def of_metric(self, name: str) -> "Records":
        """The same with no other margin than that of this metric; all where it has none."""
        if name not in self.margins:
            return self
        key = f"margins of {name}"
        if key not in self.known:
            self.known[key] = replace(self, margins={name: self.margins[name]})
        return self.known[key]

    @cached_property
    def settings(self) -> tuple[tuple[Trial, ...], ...]:
        """Trials that share config and orders, each setting once."""
        return tuple(self.labelled[label] for label in self.once(self.labelled))

    @cached_property
    def labelled(self) -> dict[str, tuple[Trial, ...]]:
        """A setting's trials by each of its names, as reports write them."""
        found: dict[str, list[Trial]] = {}
        for trial in self.trials:
            for axes in (trial.axes, *trial.also):
                found.setdefault(label_of(axes), []).append(trial)
        alike = {label: _what(trials) for label, trials in found.items()}
        keys: dict[str, set[str]] = {}
        for label, trials in found.items():
            keys.setdefault(alike[label], set()).update(trial.key for trial in trials)
        whole = {a: tuple(t for t in self.trials if t.key in of) for a, of in keys.items()}
        return {label: whole[alike[label]] for label in found}

    def once(self, labels: Iterable[str]) -> list[str]:
        """Those that name other settings than the ones before them."""
        found: dict[tuple[str, ...], str] = {}
        for label in labels:
            found.setdefault(tuple(trial.key for trial in self.labelled[label]), label)
        return list(found.values())

    def part(self, path: str) -> Mapping[str, Any]:
        """The study of a union that is its part of this name; empty: itself."""
        found = self.study
        for name in path.split("/") if path else ():
            found = found["parts"][name]
        return found

    @cached_property
    def parts(self) -> dict[str, str]:
        """By label of a setting, the part of a union that asks for it."""
        every = (axes for trial in self.trials for axes in (trial.axes, *trial.also))
        return {label_of(axes): axes.get("part", "") for axes in every}

    @cached_property
    def short(self) -> dict[str, str]:
        """What pages call a task, by its classes joined with `+`."""
        found: dict[str, str] = {}
        for task in sorted({task for trial in self.trials for task in trial.sequence}):
            full, long = "+".join(task), f"{task[0]} and {len(task) - 1} more"
            found[full] = full if len(task) == 1 or len(full) <= LONGEST_NAME else long
        named = [*found.values()]
        twice = {name for name in named if named.count(name) > 1}
        return {
            full: f"{name} ({named[:place].count(name) + 1})" if name in twice else name
            for place, (full, name) in enumerate(found.items())
        }

    @cached_property
    def order_names(self) -> dict[str, str]:
        """What pages call each order: by its place among all of the plan, sorted by task 0."""
        found = sorted({(trial.task0, trial.order) for trial in self.trials})
        return {order: f"O{place}" for place, (_, order) in enumerate(found, start=1)}

    @cached_property
    def keys(self) -> set[str]:
        return {trial.key for trial in self.trials}


def label_of(axes: Mapping[str, str]) -> str:
    """Of the setting that a trial has under these axes."""
    return ", ".join(
        f"{name} = {value}" for name, value in axes.items() if name not in NOT_SETTINGS
    )


def _what(trials: Iterable[Trial]) -> str:
    """What makes a setting: one config, learned in these orders."""
    known = list(trials)
    return json.dumps([known[0].config, sorted({trial.order for trial in known})], sort_keys=True)


def finished(trials: Iterable[Trial]) -> list[Trial]:
    """Those that finished."""
    return [trial for trial in trials if trial.status == "finished"]


def read(folder: Path) -> Records:
    """A study's folder.

    Raises:
        StudyError: it holds no plan.
        StoreError: the plan is damaged.
    """
    path = folder / "study.json"
    try:
        plan = _json(path)
        planned = [_trial(one, read_record(folder, one["key"])) for one in plan["trials"]]
        margins = MARGINS | plan["study"].get("margins", {})
        return Records(tuple(planned), str(plan["data_root"]), plan["study"], margins, folder)
    except FileNotFoundError:
        raise StudyError(f"{path}: no such study; name the --root that it was run in") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: cannot be read as a plan ({error!r})") from error


def _json(path: Path) -> dict[str, Any]:
    return json.loads(unsealed(read_regular(path)))


def read_record(folder: Path, key: str) -> dict[str, Any]:
    """Empty where there is none, or where it is damaged: such a file counts for nothing."""
    try:
        found = _json(folder / "trials" / f"{key}.json")
    except (OSError, ValueError):
        return {}
    return found if found.get("key") == key and found.get("study") == folder.name else {}


def recorded(folder: Path, key: str) -> Trial | None:
    """A trial by its record alone, whether it is planned or not; None as of `read_record`."""
    record = read_record(folder, key)
    return _trial(record, record) if record else None


def _trial(planned: Mapping[str, Any], record: Mapping[str, Any]) -> Trial:
    rows = record.get("rows") or ()
    return Trial(
        planned["key"],
        int(planned["seed"]),
        tuple(tuple(task) for task in planned["sequence"]),
        dict(planned["axes"]),
        str(record.get("status") or ""),
        {_place(row): float(row["value"]) for row in rows},
        planned["config"],
        tuple(planned.get("also") or ()),
        {name: value for name, value in record.items() if name != "rows"},
    )


def _place(row: Mapping[str, Any]) -> Place:
    return Place(
        int(row["step"]), row["class_name"], row["metric"], row["definition"], row["routing"]
    )
