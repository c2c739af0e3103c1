"""What drawn orders give of several metrics of the same trials at once.

Which orders are near a quantile is told by sums of whole numbers, looked up for several metrics
together; of those orders alone the quantity itself is computed. So quantiles are, to the last
digit, those of computing it of every order. n orders, m metrics, K sets.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from reports.statistics.orders import drawn, quantiles
from reports.statistics.orders.drawn import Along
from reports.statistics.orders.quantiles import Quantiles
from reports.statistics.orders.sets import Sets

AT_ONCE = 4
"""Metrics: four numbers of 32 bits are looked up as one of 128, four of 16 bits as one of 64."""
BLOCK = 1 << 16
"""Orders that are looked up together: a cache holds what is known of them, and threads beside each
other seldom wait for the interpreter."""
CODED = 14
"""Bits of a code, which tells of some tasks which of their rivals were known."""

Terms: TypeAlias = tuple[np.ndarray, ...]
"""Of a metric, what is looked up for each part of an order, and added or compared."""
Rivals: TypeAlias = Mapping[int, tuple[int, ...]]
"""Of tasks, those that move them."""


@dataclass(frozen=True)
class Stepwise:
    """Of a metric that has a number at every step."""

    running: Quantiles
    """Of the mean over the steps."""
    worst: Float[np.ndarray, " k"]
    """Numbers that the worst step can be, rising."""
    times: Int[np.ndarray, " k"]
    """How often each of them is."""


def stepwise(found: Sequence[Sets]) -> list[Stepwise]:
    """Of each; every step must have a number."""
    return [one for some in _batches(found) for one in _stepwise(some)]


def on_task_mean(found: Sequence[Sets]) -> list[Quantiles]:
    """Of each, the mean over classes when each was learned last."""
    if not found:
        return []
    together = told_together(found)
    codes = _codes(together, found[0].others)
    if len(together) == 1:
        counts = np.bincount(codes[0], minlength=1 << _bits(together[0]))
        return [quantiles.of_counts(_of_codes(one, together[0]), counts) for one in found]
    made: list[Quantiles] = []
    for some in _batches(found):
        keys = [_keys(_code_terms(one, together), [1] * len(together)) for one in some]
        sums = _along([*codes], [terms for terms, _ in keys], np.uint32, np.add)
        made += [
            _quantiles(sum_, slack, drawn.on_task_mean(one))
            for one, sum_, (_, slack) in zip(some, sums, keys, strict=True)
        ]
    return made


def _batches(found: Sequence[Sets]) -> list[Sequence[Sets]]:
    return [found[at : at + AT_ONCE] for at in range(0, len(found), AT_ONCE)]


def _stepwise(found: Sequence[Sets]) -> list[Stepwise]:
    paths = drawn.drawn_paths(found[0].others)
    middle = len(paths.middle)
    ways = [paths.begins, *paths.middle, paths.ends]
    keys = [_keys(drawn.sums_along(one), [1, middle, 1]) for one in found]
    levels = [np.unique(one.step, return_inverse=True) for one in found]
    ranks = [rank.astype(np.uint16) for _, rank in levels]
    lows = [(rank[paths.first].min(1), rank, rank[paths.last].min(1)) for rank in ranks]
    sums = _along(ways, [_steps(terms, middle) for terms, _ in keys], np.uint32, np.add)
    worst = _along(ways, [_steps(low, middle) for low in lows], np.uint16, np.minimum)
    made: list[Stepwise] = []
    for i, (one, (values, _)) in enumerate(zip(found, levels, strict=True)):
        counts = np.bincount(worst[i], minlength=len(values))
        running = _quantiles(sums[i], keys[i][1], drawn.running_mean(one))
        made.append(Stepwise(running, values[counts > 0], counts[counts > 0]))
    return made


def _steps(terms: Terms, middle: int) -> Terms:
    """The same at every step of the middle."""
    first, step, last = terms
    return (first, *[step] * middle, last)


def told_together(found: Sequence[Sets]) -> list[Rivals]:
    """Tasks that some metric says are moved, as many together as a code has bits for."""
    told: list[dict[int, tuple[int, ...]]] = [{}]
    for task in range(found[0].others):
        moving = {
            rival
            for one in found
            for own, rivals in zip(one.own.tolist(), one.rivals, strict=True)
            if own == task
            for rival in rivals
        }
        if moving and _bits(told[-1]) + len(moving) > CODED:
            told.append({})
        if moving:
            told[-1][task] = tuple(sorted(moving))
    return [*told]


def _bits(coded: Rivals) -> int:
    return sum(map(len, coded.values()))


def _codes(coded: Sequence[Rivals], others: int) -> Int[np.ndarray, "p n"]:
    """Of every order; bits in the order of tasks, and of each in that of its rivals."""
    learned = drawn.drawn_paths(others).learned
    codes = np.zeros((len(coded), learned.shape[1]), dtype=np.uint16)
    for code, tasks in zip(codes, coded, strict=True):
        pairs = [(task, rival) for task, rivals in tasks.items() for rival in rivals]
        for at in range(0, len(code), BLOCK):
            some = slice(at, at + BLOCK)
            here = code[some]
            for bit, (task, rival) in enumerate(pairs):
                by = np.uint16(abs(bit - rival))
                moved = learned[task, some] << by if bit > rival else learned[task, some] >> by
                moved &= np.uint16(1 << bit)
                here |= moved
    return codes


def _when_known(task: int, rivals: Sequence[int], places: Int[np.ndarray, " k"]) -> np.ndarray:
    """The set of a task and those of its rivals whose bits are set."""
    known = np.full(len(places), 1 << task)
    for bit, rival in enumerate(rivals):
        known |= (places >> bit & 1) << rival
    return known


def _of_codes(found: Sets, coded: Rivals) -> Float[np.ndarray, " k"]:
    """The quantity of every code, added as `drawn.on_task_mean` does it."""
    every = np.arange(1 << _bits(coded))
    start, moved = drawn.moved_when_learned(found)
    total, bit = np.full(len(every), start), 0
    for task, rivals in coded.items():
        if task in moved:
            total += moved[task].take(_when_known(task, rivals, every >> bit))
        bit += len(rivals)
    return total / len(found.own)


def _code_terms(found: Sets, coded: Sequence[Rivals]) -> Terms:
    """Of every code of each kind, the sum over its tasks."""
    terms: list[np.ndarray] = []
    for tasks in coded:
        sums = np.zeros(1)
        for task, rivals in tasks.items():
            sets = _when_known(task, rivals, np.arange(1 << len(rivals)))
            sums = (found.learned[task].take(sets)[:, None] + sums).ravel()
        terms.append(sums)
    return tuple(terms)


def _keys(terms: Terms, times: Sequence[int]) -> tuple[Terms, int]:
    """Whole numbers of 32 bits in proportion to them, so that a sum with each taken so many times
    is one too; and the largest error of such a sum."""
    span = sum(n * float(np.ptp(term)) for term, n in zip(terms, times, strict=True))
    most = sum(n * float(np.abs(term).max()) for term, n in zip(terms, times, strict=True))
    if span <= 1e-8 * most:  # they tell nothing
        return tuple(np.zeros(len(term), dtype=np.uint32) for term in terms), 1 << 32
    scale = ((1 << 32) - 1 - sum(times)) / span
    whole = tuple(np.rint((term - term.min()) * scale).astype(np.uint32) for term in terms)
    return whole, sum(times) * (1 + math.ceil(4 * math.ulp(most) * scale))


def _quantiles(keys: Int[np.ndarray, " n"], slack: int, along: Along) -> Quantiles:
    near = quantiles.of_keys(keys, slack, along)
    return quantiles.of_values(drawn.of_every(along)) if near is None else near


def _along(
    ways: Sequence[Int[np.ndarray, " n"]],
    terms: Sequence[Terms],
    kind: type[np.unsignedinteger],
    join: np.ufunc,
) -> np.ndarray:
    """Of every order, what is looked up by its ways, joined: a row for each metric.

    Args:
        terms: of up to `AT_ONCE` metrics.
    """
    wide = np.complex128 if kind is np.uint32 else np.uint64
    tables: list[np.ndarray] = []
    for columns in zip(*terms, strict=True):
        table = np.zeros((len(columns[0]), AT_ONCE), dtype=kind)
        table[:, : len(columns)] = np.stack(columns, axis=1)
        tables.append(table.view(wide).reshape(-1))
    joined = np.empty((AT_ONCE, len(ways[0])), dtype=kind)
    for at in range(0, len(ways[0]), BLOCK):
        some = slice(at, at + BLOCK)
        here: np.ndarray | None = None
        for way, table in zip(ways, tables, strict=True):
            looked = table.take(way[some]).view(kind).reshape(-1, AT_ONCE)
            here = looked if here is None else join(here, looked, out=here)
        assert here is not None
        joined[:, some] = here.T
    return joined[: len(terms)]
