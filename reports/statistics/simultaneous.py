"""Many options, each run with the same seeds: simultaneous intervals, and which is best.

G groups, S seeds.
"""
# pyright: reportMissingTypeStubs=false

import itertools
import math
from dataclasses import dataclass

from scipy import special

from reports.statistics.block_designs import blocks
from reports.statistics.contrasts import ALPHA
from reports.statistics.inputs import Numbers
from reports.statistics.range_distributions import (
    dunnett,
    dunnett_point,
    studentized_range,
    studentized_range_point,
)


@dataclass(frozen=True)
class Simultaneous:
    """A difference with an interval that holds together with all others of its family, 95 %."""

    first: int
    second: int | None
    """Difference first − second; None: first − mean of all groups."""
    difference: float
    interval: tuple[float, float]
    p: float
    """Adjusted for the family."""


def effects(values: Numbers) -> tuple[Simultaneous, ...]:
    """Each group against the mean of all, e.g. effects of task 0 (Nelson's analysis of means).

    Šidák's multiplier of the t-distribution, which for these G correlated effects is hardly
    conservative (Šidák 1967).

    Args:
        values: [G, S].

    Raises:
        ValueError: fewer than 2 groups or 2 seeds, or a value is not finite.
    """
    found = blocks(values)
    g = found.groups
    error = found.sd * math.sqrt((1 - 1 / g) / found.seeds)
    alone = 1 - (1 - ALPHA) ** (1 / g)
    half = float(special.stdtrit(found.df, 1 - alone / 2)) * error
    away = (found.means - found.means.mean()).tolist()
    parts: list[Simultaneous] = []
    for i, difference in enumerate(away):
        p = _two_sided(abs(difference), error, found.df)
        interval = (difference - half, difference + half)
        parts.append(Simultaneous(i, None, difference, interval, 1 - (1 - p) ** g))
    return tuple(parts)


def pairwise(values: Numbers) -> tuple[Simultaneous, ...]:
    """Every two groups (Tukey 1953), by the studentised range.

    Args:
        values: [G, S].

    Raises:
        ValueError: as `effects`.
    """
    found = blocks(values)
    scale = found.sd / math.sqrt(found.seeds)
    half = studentized_range_point(1 - ALPHA, found.groups, found.df) * scale
    parts: list[Simultaneous] = []
    for i, j in itertools.combinations(range(found.groups), 2):
        difference = float(found.means[i] - found.means[j])
        p = 1.0
        if scale > 0:
            p = 1 - studentized_range(abs(difference) / scale, found.groups, found.df)
        parts.append(Simultaneous(i, j, difference, (difference - half, difference + half), p))
    return tuple(parts)


def against(values: Numbers, baseline: int) -> tuple[Simultaneous, ...]:
    """Every other group against one (Dunnett 1955), two-sided.

    Args:
        values: [G, S].

    Raises:
        ValueError: as `effects`, or no such group.
    """
    found = blocks(values)
    if not 0 <= baseline < found.groups:
        raise ValueError(f"no group {baseline} among {found.groups}")
    k = found.groups - 1
    half = dunnett_point(1 - ALPHA, k, found.df) * found.error
    parts: list[Simultaneous] = []
    for i in (i for i in range(found.groups) if i != baseline):
        difference = float(found.means[i] - found.means[baseline])
        p = 1.0
        if found.error > 0:
            p = 1 - dunnett(abs(difference) / found.error, k, found.df)
        interval = (difference - half, difference + half)
        parts.append(Simultaneous(i, baseline, difference, interval, p))
    return tuple(parts)


def _two_sided(size: float, error: float, df: int) -> float:
    return 2 * float(special.stdtr(df, -size / error)) if error > 0 else 1.0
