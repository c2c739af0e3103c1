"""G groups run with the same S seeds: value = group + seed + noise, without interaction.

The noise is the same in all groups; groups of one method that differ in task 0 or order come near.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from moleflow.metrics.summaries import NOISE
from reports.statistics.inputs import Numbers, numbers, smallest_gap


@dataclass(frozen=True)
class Blocks:
    """Groups' means and the noise about them, once what seeds do to all groups alike is gone."""

    means: Float[np.ndarray, " g"]
    seeds: int
    sd: float
    """Of the noise; where none is seen but groups differ, that of rounding to the values' grid."""
    df: int
    identical: bool
    """Every seed gave all groups the same number."""

    @property
    def groups(self) -> int:
        return len(self.means)

    @property
    def error(self) -> float:
        """Standard error of a difference of two groups."""
        return self.sd * math.sqrt(2 / self.seeds)


def blocks(values: Numbers) -> Blocks:
    """Least squares of the two-way layout.

    Args:
        values: [G, S], seeds in the same order in each group.

    Raises:
        ValueError: fewer than 2 groups or 2 seeds, or a value is not finite.
    """
    y = numbers(values, "values", 2)
    g, s = y.shape
    if g < 2 or s < 2:
        raise ValueError(f"{g} groups and {s} seeds; groups are compared with two of each at least")
    means = y.mean(axis=1)
    rest = y - means[:, None] - y.mean(axis=0) + y.mean()
    df = (g - 1) * (s - 1)
    sd = math.sqrt(float((rest**2).sum()) / df)
    rounding = NOISE * float(np.abs(y).max())
    identical = float(np.ptp(y, axis=0).max()) <= rounding
    if sd <= rounding and not identical:
        sd = smallest_gap(y.ravel().tolist(), rounding) / math.sqrt(12)
    return Blocks(means, s, 0.0 if identical else sd, df, identical)
