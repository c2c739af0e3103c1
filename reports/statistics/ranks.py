"""Many variants by their ranks: Friedman's test, and Nemenyi's critical difference.

N blocks (e.g. classes, each averaged over seeds), K variants.
"""
# pyright: reportMissingTypeStubs=false

import math
from collections import Counter
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float
from scipy import special

from reports.statistics.distributions import midranks
from reports.statistics.inputs import Numbers, numbers
from reports.statistics.range_distributions import studentized_range_point


@dataclass(frozen=True)
class Ranks:
    """Of K variants over N blocks; rank 1 is the largest value."""

    average: tuple[float, ...]
    """Of each variant, equal values sharing theirs."""
    chi2: float
    """Friedman's, corrected for equal values."""
    p: float
    """Of Iman and Davenport's F of "all variants rank alike"; where all blocks agree, so that F has
    no bound, of that under permutation."""
    critical_difference: float
    """Two variants whose average ranks differ by more are told apart at 5 % for all pairs."""
    alike: tuple[tuple[int, ...], ...]
    """Largest sets of variants, by index, that are not told apart: the bars of the diagram."""
    blocks: int


def friedman(values: Numbers) -> Ranks:
    """Friedman's test and Nemenyi's critical difference q·√(K(K+1)/6N), with q the 95 % point of
    the studentised range over √2 (Demšar, JMLR 2006, section 3.2.2).

    Blocks should be independent: classes of one data set are so at most roughly, so say that.

    Args:
        values: [N, K]; more is better.

    Raises:
        ValueError: fewer than 2 blocks or 2 variants, or a value is not finite.
    """
    table = numbers(values, "values", 2)
    n, k = table.shape
    if n < 2 or k < 2:
        raise ValueError(f"{n} blocks and {k} variants; ranks need two of each")
    ranks = midranks(-table)
    average = ranks.mean(axis=0)
    chi2, p = _tested(ranks, average)
    q = studentized_range_point(0.95, k, math.inf) / math.sqrt(2)
    difference = q * math.sqrt(k * (k + 1) / (6 * n))
    each = cast("list[float]", average.tolist())
    return Ranks(tuple(each), chi2, p, difference, _alike(each, difference), n)


def _tested(
    ranks: Float[np.ndarray, "n k"], average: Float[np.ndarray, " k"]
) -> tuple[float, float]:
    """Friedman's χ², and p."""
    n, k = ranks.shape
    between = n * ((average - (k + 1) / 2) ** 2).sum()
    within = ((ranks - (k + 1) / 2) ** 2).sum() / (n * (k - 1))
    chi2 = float(between / within) if within > 0 else 0.0
    room = n * (k - 1) - chi2
    if room > 1e-9:
        return chi2, float(special.fdtrc(k - 1, (k - 1) * (n - 1), (n - 1) * chi2 / room))
    return chi2, _agreement(ranks[0].tolist()) ** (n - 1)


def _agreement(ranks: list[float]) -> float:
    """Probability that a block ranks as another did, if every order of its ranks is as likely."""
    alike = math.prod(math.factorial(count) for count in Counter(ranks).values())
    return alike / math.factorial(len(ranks))


def _alike(average: list[float], difference: float) -> tuple[tuple[int, ...], ...]:
    order = sorted(range(len(average)), key=average.__getitem__)
    ordered = [average[i] for i in order]
    found: list[tuple[int, ...]] = []
    last = -1
    for start in range(len(order)):
        end = sum(rank <= ordered[start] + difference for rank in ordered) - 1
        if end > start and end > last:
            found.append(tuple(order[start : end + 1]))
            last = end
    return tuple(found)
