"""Whether many groups are the same within a margin.

G groups, S seeds.
"""
# pyright: reportMissingTypeStubs=false

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy import special

from moleflow.metrics.summaries import SEEDS_FOR_INTERVAL
from reports.statistics.block_designs import blocks
from reports.statistics.contrasts import ALPHA
from reports.statistics.inputs import Numbers

GroupsVerdict = Literal["equivalent", "different", "undecided"]


@dataclass(frozen=True)
class Equivalence:
    """Whether groups differ by more than a margin, e.g. orders of the same tasks."""

    range: float
    """Largest mean − smallest mean."""
    upper: float
    """Smallest margin inside which the groups would be equivalent: a 95 % upper bound of the
    largest true difference of the two extreme groups."""
    p_equivalence: float
    """Of "some two groups differ by the margin or more"."""
    p: float
    """Of "all groups are equal": F-test of the layout with seeds as blocks."""
    verdict: GroupsVerdict
    identical: bool
    """Every seed gave all groups the same number: nothing was seen to differ."""
    largest: int
    smallest: int
    """The two extreme groups."""


def equivalence(values: Numbers, margin: float) -> Equivalence:
    """Whether all groups are the same within a margin: "the order does not matter".

    An intersection-union test (Berger 1982): equivalent where every two groups pass two one-sided
    t-tests at 5 %, with the noise pooled over groups. If any two differ by the margin or more, they
    pass by chance in 5 % of cases at most, and so does the whole: their number needs no adjustment,
    while the upper end of a studentised range would be wider. Wellek's F-test of equivalence was
    not taken: its margin counts in units of the noise, not of the metric.

    `equivalent` comes first, as in `contrast`: a difference that is real but inside the margin.

    Args:
        values: [G, S].
        margin: largest difference between two groups that does not matter.

    Raises:
        ValueError: as `effects`, or a margin that is negative or not finite.
    """
    found = blocks(values)
    if not (math.isfinite(margin) and margin >= 0):
        raise ValueError(f"margin {margin}; give a finite number, 0 or more")
    large, small = int(found.means.argmax()), int(found.means.argmin())
    spread = float(found.means[large] - found.means[small])
    if found.identical:
        verdict = "equivalent" if margin > 0 and found.seeds >= SEEDS_FOR_INTERVAL else "undecided"
        p_equivalence = 0.0 if verdict == "equivalent" else 1.0
        return Equivalence(0.0, 0.0, p_equivalence, 1.0, verdict, True, large, small)
    room = (margin - spread) / found.error
    p_equivalence = float(special.stdtr(found.df, -room)) if margin > 0 else 1.0
    upper = spread + float(special.stdtrit(found.df, 1 - ALPHA)) * found.error
    f = found.seeds * float(found.means.var(ddof=1)) / found.sd**2
    p = float(special.fdtrc(found.groups - 1, found.df, f))
    verdict = "equivalent" if p_equivalence <= ALPHA else "different" if p <= ALPHA else "undecided"
    return Equivalence(spread, upper, p_equivalence, p, verdict, False, large, small)


def upper_over_images(values: Numbers, covariance: Float[np.ndarray, "g g"]) -> float:
    """`Equivalence.upper` on other test images too: the bound from seeds, with the most that images
    do to a difference of two groups beside it, as the root of the sum of squares.

    Args:
        values: [G, S].
        covariance: of the groups' means over samples of images, the same for all.

    Raises:
        ValueError: as `equivalence`.
    """
    of_seeds = equivalence(values, 0.0)
    own = np.diag(covariance)
    of_images = float((own[:, None] + own - 2 * covariance).max(initial=0.0))
    half = float(special.ndtri(1 - ALPHA)) * math.sqrt(of_images)
    return of_seeds.range + math.hypot(of_seeds.upper - of_seeds.range, half)
