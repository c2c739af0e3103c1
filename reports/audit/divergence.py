"""The second way to the importance of searched settings: Σ p²/q − 1 of densities by error
functions, one trial after the other."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from fractions import Fraction

from moleflow.streams import numpy_stream
from reports.audit.tests import step_down

CELLS, SCOTT = 101, 1.059
"""Cells of a range; Scott's factor of a bandwidth."""
BEST = Fraction(2, 5)
"""Of the proposals."""
DRAWS, THEIRS = 199, 499
"""Shuffled outcomes here, and in reports."""
ROUNDING = 1e-12
Column = list[float] | list[str]


def column(texts: Sequence[str], kind: str) -> Column:
    """Values of a setting on the scale that it is drawn on; words of a choice."""
    if kind == "choice":
        return list(texts)
    values = [float(json.loads(text)) for text in texts]
    return list(map(math.log, values)) if kind == "log_uniform" else values


def shares(columns: Mapping[str, Column], outcome: Sequence[float]) -> dict[str, float]:
    """Of what tells the best from all; of equal outcomes the earlier ones are the better."""
    best = sorted(range(len(outcome)), key=lambda i: -outcome[i])[: _many(outcome)]
    apart = _apart(columns, best, {})
    total = math.fsum(apart.values())
    return {name: one / total if total > 0 else 0.0 for name, one in apart.items()}


def _many(outcome: Sequence[float]) -> int:
    return math.ceil(BEST * len(outcome))


def _apart(
    columns: Mapping[str, Column], best: Sequence[int], whole: dict[str, list[float]]
) -> dict[str, float]:
    """`whole` keeps the densities of all, which no shuffling changes."""
    apart: dict[str, float] = {}
    for name, values in columns.items():
        if name not in whole:
            whole[name] = _cells(values, range(len(values)))
        pairs = zip(_cells(values, best), whole[name], strict=True)
        apart[name] = max(0.0, math.fsum(p * p / q for p, q in pairs) - 1)
    return apart


def _cells(values: Column, of: Sequence[int]) -> list[float]:
    """Probability of each cell among some of the proposals."""
    words = [value for value in values if isinstance(value, str)]
    if words:
        kinds, chosen = sorted(set(words)), [words[i] for i in of]
        return [(chosen.count(kind) + 1) / (len(chosen) + len(kinds)) for kind in kinds]
    numbers = [float(value) for value in values]
    low, high = min(numbers), max(numbers)
    if high - low <= ROUNDING * max(abs(low), abs(high)):
        return [1.0]
    chosen = [numbers[i] for i in of]
    width = (high - low) / CELLS
    scale = SCOTT * statistics.stdev(chosen) / len(chosen) ** 0.2
    scale = max(scale, width / 2) * math.sqrt(2)
    cells = [1 / CELLS] * CELLS
    for x in chosen:
        below = [math.erf((low + k * width - x) / scale) for k in range(CELLS + 1)]
        whole = below[-1] - below[0]
        cells = [cell + (below[k + 1] - below[k]) / whole for k, cell in enumerate(cells)]
    return [cell / (len(chosen) + 1) for cell in cells]


def chances(columns: Mapping[str, Column], outcome: Sequence[float]) -> dict[str, float]:
    """How often others in place of the best are as far from all, by Holm over settings."""
    n, whole = len(outcome), dict[str, list[float]]()
    best = sorted(range(n), key=lambda i: -outcome[i])[: _many(outcome)]
    seen = _apart(columns, best, whole)
    draws = numpy_stream("audit", "the best of a search", n)
    as_far = dict.fromkeys(seen, 1)
    for _ in range(DRAWS):
        others: list[int] = draws.permutation(n)[: len(best)].tolist()
        for name, one in _apart(columns, others, whole).items():
            as_far[name] += one >= seen[name] - ROUNDING
    return step_down({name: count / (DRAWS + 1) for name, count in as_far.items()})


def near(said: str, found: float, settings: int) -> float:
    """What is said of a chance, where it is that which was found but for the drawing. Holm takes
    one up to so many times as there are settings, and what the drawing does to it."""
    p = min(0.5, found)
    apart = settings * (5 * math.sqrt(p * (1 - p) * (1 / DRAWS + 1 / THEIRS)) + 2 / DRAWS)
    return float(said) if abs(float(said) - found) <= apart else found
