"""What a trial's classes score when some of its tasks are known, from the plain file that it keeps.

m tasks beside task 0, K = 2^m sets of them: of the sorted tasks the first is known where the lowest
bit of a set's number is 1, and so on. n orders of the tasks beside task 0.
"""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from moleflow.files import read_regular
from moleflow.sealed import unsealed
from moleflow.streams import numpy_stream
from reports.audit.second_way import Line

MOST_ENUMERATED, MOST_EXACT, DRAWN = 7, 15, 10**6
"""Tasks beside task 0 up to which a report goes through every order, and up to which it knows
something of every order; orders that it draws where it does not go through all."""
AT_ONCE = 1 << 12
"""Orders that a cache holds."""


def kept_by(line: Line, trial: str) -> dict[str, Any]:
    """The plain file.

    Raises:
        OSError, ValueError: there is none, or it is damaged.
    """
    path = line.records.artifacts(trial) / "all_orders.json"
    return json.loads(unsealed(read_regular(path)))


@dataclass(frozen=True)
class OfClass:
    """A metric of a class."""

    name: str
    own: int
    """Bit of its task; -1: task 0."""
    rivals: tuple[int, ...]
    """Bits of those that move it; -1: task 0."""
    numbers: tuple[float, ...]
    """For every set of rivals: the first is known where the lowest bit of the place is 1."""

    def of_sets(self, others: int) -> Float[np.ndarray, " K"]:
        """NaN where its task is not known."""
        every = np.arange(1 << others)
        place = np.zeros_like(every)
        for bit, rival in enumerate(self.rivals):
            place += (1 if rival < 0 else every >> rival & 1) << bit
        found = np.array(self.numbers)[place]
        if self.own >= 0:
            found[every >> self.own & 1 == 0] = math.nan
        return found


@dataclass(frozen=True)
class Known:
    """A metric of the classes that have it."""

    others: tuple[str, ...]
    """Sorted."""
    classes: tuple[OfClass, ...]

    @property
    def many(self) -> bool:
        """Whether tasks are too many for a number of every set of them."""
        return len(self.others) > MOST_EXACT

    @cached_property
    def step(self) -> Float[np.ndarray, " K"]:
        """Mean over the classes that are known; NaN where none is."""
        sums, many = np.zeros((2, 1 << len(self.others)))
        for one in self.classes:
            values = one.of_sets(len(self.others))
            sums += np.where(np.isnan(values), 0.0, values)
            many += ~np.isnan(values)
        return np.where(many > 0, sums / np.maximum(many, 1), math.nan)

    @cached_property
    def learned(self) -> Float[np.ndarray, "m K"]:
        """Of each task, sum over its classes; 0 where it is not known."""
        found = np.zeros((len(self.others), 1 << len(self.others)))
        for one in self.classes:
            values = one.of_sets(len(self.others))
            if one.own >= 0:
                found[one.own] += np.where(np.isnan(values), 0.0, values)
        return found

    @property
    def at_start(self) -> float:
        """Sum over the classes of task 0 when no other is known."""
        of = [one for one in self.classes if one.own < 0]
        return math.fsum(float(one.of_sets(len(self.others))[0]) for one in of)

    def last(self) -> list[float | None]:
        """Of each task, mean over its classes when all are known."""
        found: list[float | None] = []
        for task in range(len(self.others)):
            of = [one.numbers[-1] for one in self.classes if one.own == task]
            found.append(math.fsum(of) / len(of) if of else None)
        return found

    def with_constant(self, values: Mapping[str, float]) -> "Known":
        """With one number for each class, whichever tasks are known."""
        of = [OfClass(one.name, one.own, (), (values[one.name],)) for one in self.classes]
        return Known(self.others, tuple(of))


def known(kept: Mapping[str, Any], metric: str) -> Known | None:
    """Of what a trial keeps; None where no class has the metric."""
    first, others = kept["tasks"][0], sorted(kept["tasks"][1:])
    bit = {first: -1} | {task: place for place, task in enumerate(others)}
    classes = tuple(
        OfClass(
            one["name"],
            bit[one["task"]],
            tuple(bit[rival] for rival in one["rivals"]),
            tuple(one["values"][metric][at] for at in one["choice"]),
        )
        for one in kept["classes"]
        if metric in one["values"]
    )
    return Known(tuple(others), classes) if classes else None


@dataclass(frozen=True)
class Walks:
    """Orders of the tasks beside task 0. c metrics at once, which costs little more than one."""

    orders: Int[np.ndarray, "n m"]
    sets: Int[np.ndarray, "steps n"]
    """Known at each step."""

    @cached_property
    def learned(self) -> Int[np.ndarray, "m n"]:
        """Task and set at each step but the first, as one number."""
        return self.orders.T.astype(np.int32) * (1 << self.orders.shape[1]) + self.sets[1:]

    def first(self, many: int) -> "Walks":
        return Walks(self.orders[:many], self.sets[:, :many])

    def running_mean(self, steps: Float[np.ndarray, "c K"]) -> Float[np.ndarray, "c n"]:
        """Over the steps that have a number."""
        lack = np.isnan(steps)
        total = self._along(np.add, np.where(lack, 0.0, steps), self.sets)
        if not lack.any():
            return total / len(self.sets)
        return total / self._along(np.add, (~lack).astype(float), self.sets)

    def worst_step(self, steps: Float[np.ndarray, "c K"]) -> Float[np.ndarray, "c n"]:
        return self._along(np.fmin, steps, self.sets)

    def on_task_mean(self, of: Sequence["Known"]) -> Float[np.ndarray, "c n"]:
        """Mean over classes when each was learned last."""
        many = np.array([len(one.classes) for one in of])
        start = np.array([one.at_start for one in of])
        if not self.orders.shape[1]:
            return (start / many)[:, None]
        tables = np.array([one.learned.ravel() for one in of])
        return (self._along(np.add, tables, self.learned) + start[:, None]) / many[:, None]

    def _along(
        self, join: np.ufunc, tables: Float[np.ndarray, "c q"], places: Int[np.ndarray, "p n"]
    ) -> Float[np.ndarray, "c n"]:
        """What lies at each order's places, joined."""
        rows, found = np.ascontiguousarray(tables.T), np.empty((len(tables), len(self.orders)))
        for start in range(0, len(self.orders), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            whole = rows.take(places[0, some], axis=0)
            for of_step in places[1:, some]:
                join(whole, rows.take(of_step, axis=0), out=whole)
            found[:, some] = whole.T
        return found


def drawn_orders(others: int) -> Int[np.ndarray, "n m"]:
    """Those that a report draws by name."""
    plain = np.tile(np.arange(others, dtype=np.int8), (DRAWN, 1))
    return numpy_stream("all orders", others).permuted(plain, axis=1)


@lru_cache(maxsize=1)
def walks(others: int) -> Walks:
    """All orders, in lexical order; of too many those that are drawn."""
    if others <= MOST_ENUMERATED:
        every = list(itertools.permutations(range(others)))
        orders = np.array(every, dtype=np.int8).reshape(len(every), others)
    else:
        orders = drawn_orders(others)
    sets = np.zeros((others + 1, len(orders)), dtype=np.uint16)
    for place, tasks in enumerate(orders.T):
        sets[place + 1] = sets[place] + (1 << tasks.astype(np.uint16))
    return Walks(orders, sets)


def along(step: Float[np.ndarray, " K"], order: Sequence[int]) -> float:
    """Running mean of one order."""
    at = [step[sum(2**task for task in order[:n])] for n in range(len(order) + 1)]
    have = [value for value in at if not math.isnan(value)]
    return math.fsum(have) / len(have)
