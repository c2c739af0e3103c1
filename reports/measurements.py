"""Numbers of a study's ledger, found by trial and name, in as little memory as they fit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, UInt

from orchestration.records.ledger import Record
from orchestration.records.results import Name, Rows


@dataclass(frozen=True, slots=True)
class _Steps:
    """Numbers of classes after each step of one trial. Each holds from its step until the next one
    of its name begins, or to the last step: most are those of the step before."""

    last: int
    """Step, from 1."""
    ends: UInt[np.ndarray, " names"]
    """Of each name, the place behind its last number."""
    since: UInt[np.ndarray, " numbers"]
    """Steps, from 1."""
    values: Float[np.ndarray, " numbers"]
    """NaN where there is none any more."""

    @classmethod
    def of(cls, entries: Float[np.ndarray, "names steps"]) -> "_Steps":
        """NaN where there is none."""
        before = np.full_like(entries, np.nan)
        before[:, 1:] = entries[:, :-1]
        # By their bits: 0.0 is not -0.0, and NaN is NaN.
        names, steps = np.nonzero(entries.view(np.int64) != before.view(np.int64))
        ends = np.cumsum(np.bincount(names, minlength=len(entries)))
        last = entries.shape[1]
        return cls(last, _short(ends, len(names)), _short(steps + 1, last), entries[names, steps])

    def place(self, name: int) -> tuple[int, int]:
        """Of a name's numbers: the first, and behind the last."""
        if name >= len(self.ends):
            return 0, 0
        return int(self.ends[name - 1]) if name else 0, int(self.ends[name])

    def at(self, name: int, step: int) -> float | None:
        first, end = self.place(name)
        if first == end or step > self.last:
            return None
        if self.since[end - 1] <= step:
            return _number(self.values[end - 1])
        known = int(np.searchsorted(self.since[first:end], step, side="right"))
        return _number(self.values[first + known - 1]) if known else None

    def along(self, name: int, steps: int) -> list[float]:
        """After each of so many steps."""
        of = slice(*self.place(name))
        begin: list[int] = self.since[of].tolist()
        if not begin:
            return [math.nan] * steps
        ends = [*begin[1:], self.last + 1]
        found = [math.nan] * (begin[0] - 1)
        for value, first, end in zip(self.values[of].tolist(), begin, ends, strict=True):
            found += [value] * (end - first)
        return found[:steps] + [math.nan] * (steps - len(found))


class Measurements:
    """Numbers of the ledger, found by trial and name. Fractions of 1."""

    def __init__(self) -> None:
        self._steps: dict[str, _Steps] = {}
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
        self._steps[trial] = _Steps.of(entries)
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
        name = self._entry_names.get((class_name, metric, routing))
        found = self._steps.get(record.key)
        return None if name is None or found is None else found.at(name, step)

    def along(
        self, record: Record, class_name: str, metric: str, routing: str = "routed"
    ) -> list[float]:
        """`entry` of every step of the sequence; NaN where there is none."""
        name = self._entry_names.get((class_name, metric, routing))
        found, steps = self._steps.get(record.key), len(record.sequence)
        if name is None or found is None:
            return [math.nan] * steps
        return found.along(name, steps)

    def final(
        self, record: Record, class_name: str, metric: str, routing: str = "routed"
    ) -> float | None:
        """The class's number at the end of the sequence; None where it cannot be measured."""
        return self.entry(record, len(record.sequence), class_name, metric, routing)

    def finals(self, record: Record, metric: str, routing: str = "routed") -> dict[str, float]:
        """Numbers at the end of the sequence by class, of the classes that have one."""
        found = {c: self.final(record, c, metric, routing) for c in record.classes}
        return {name: value for name, value in found.items() if value is not None}

    @cached_property
    def definitions(self) -> list[str]:
        """Summary definitions that the table holds, other than means at or along the way."""
        means = {"step", "step_mean", "final_mean", "on_task_mean"}
        return sorted({definition for _, definition, _ in self._summary_names} - means)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _short(whole: np.ndarray, largest: int) -> UInt[np.ndarray, " n"]:
    """In as few bytes as the largest takes."""
    return whole.astype(np.min_scalar_type(largest))
