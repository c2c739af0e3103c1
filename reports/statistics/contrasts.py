"""Verdicts on a variant against its baseline, from values paired by seed."""
# pyright: reportMissingTypeStubs=false

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from scipy import special

from moleflow.metrics.summaries import NOISE, SEEDS_FOR_INTERVAL
from reports.statistics.inputs import smallest_gap
from reports.statistics.seeds_needed import Needed, Noise, further_seeds, further_seeds_range

Verdict = Literal["better", "worse", "equivalent", "undecided"]

ALPHA = 0.05
"""Largest rate of false *better* or *worse*, and of false *equivalent*."""

MARGINS = {"image_auroc": 0.005, "pixel_ap": 0.01}
"""Largest differences that do not matter, where a study declares none, by metric."""


@dataclass(frozen=True)
class Contrast:
    """Variant minus baseline over n seeds, in the unit of the values; more counts as better."""

    n: int
    difference: float
    """Mean over seeds of variant − baseline."""
    sd: float | None
    """Of the differences (n − 1); None for one seed. For differences that are all equal, see
    `contrast`."""
    interval: tuple[float, float] | None
    """95 % t-interval of the difference, for this contrast alone; None for one seed."""
    p: float | None
    """Two-sided, of "no difference": paired t-test. None for one seed."""
    p_equivalence: float | None
    """Of "the difference is at least the margin": the larger of two one-sided tests (TOST)."""
    margin: float
    verdict: Verdict
    identical: bool
    """The same numbers with every seed: nothing was seen to differ."""
    p_holm: float | None = None
    """`p` adjusted for the other contrasts of its table, by `holm`; it then makes the verdict."""
    p_equivalence_holm: float | None = None
    level: float = ALPHA
    """That `p` must reach; in a table, the share that is left for those not decided."""
    level_equivalence: float = ALPHA

    @cached_property
    def seeds_to_decide(self) -> int | None:
        """How many more seeds than these would most likely (80 %) give a verdict.

        Of all seeds together, were the difference and the noise those seen here. Seeds that are
        added because a verdict failed are a second look, which has a false-positive rate of its
        own: plan the number, then look once. None where there is a verdict, where one seed shows
        no noise, and where 10,000 seeds would not do.
        """
        noise = self._noise
        return None if noise is None else further_seeds(noise, self.n)

    @cached_property
    def seeds_to_decide_range(self) -> Needed | None:
        """Fewest and most that `seeds_to_decide` can be: at the ends of the 95 % interval of the
        noise, which few seeds hardly know (two to a factor of 72, three of 12, five of 5), the
        difference being the one seen here. An end is None where 10,000 seeds would not do; no range
        where there is a verdict or no noise.
        """
        noise = self._noise
        return None if noise is None else further_seeds_range(noise, self.n)

    @cached_property
    def _noise(self) -> Noise | None:
        if self.verdict != "undecided" or not self.sd or self.n < 2:
            return None
        return Noise(self.difference, self.sd, self.margin, self.level, self.level_equivalence)

    def minutes_to_decide(self, minutes_per_seed: float) -> float | None:
        """What `seeds_to_decide` cost; the ends of its range cost in proportion.

        Args:
            minutes_per_seed: of one seed's trials that are still missing, baseline and variant.
        """
        seeds = self.seeds_to_decide
        return None if seeds is None else seeds * minutes_per_seed


def contrast(baseline: Sequence[float], variant: Sequence[float], margin: float) -> Contrast:
    """Whether a variant is better or worse than its baseline, or as good.

    Paired t-test of the differences d by seed, and two one-sided t-tests (TOST: Schuirmann 1987)
    of |E d| ≥ margin, both at 5 %. *equivalent*: the 90 % interval lies inside ±margin; this comes
    first, so a difference that is real but smaller than what matters is *equivalent*. *better*,
    *worse*: the 95 % interval lies on one side of zero. *undecided*: neither; no verdict on the
    variant, but on the number of seeds. The rates hold for differences that are independent and
    roughly normal.

    Differences that all equal one number c ≠ 0 show no noise, which is no proof that there is none:
    the t-tests then use what rounding to the values' grid can hide (`_of_rounding`). Where every
    pair is the same bits, the interval is (0, 0), and from three seeds on the verdict *equivalent*
    says that none showed a difference (`identical`); on a grid as coarse as the margin that can be
    chance, too.

    Args:
        baseline: one value per seed.
        variant: the same seeds in the same order. Where less is better, negate both.
        margin: largest difference that does not matter, in the unit of the values; with 0 nothing
            is ever equivalent.

    Raises:
        ValueError: no values, unequal numbers of values, one that is not finite, or a margin that
            is negative or not finite.
    """
    _checked(baseline, variant, margin)
    n = len(baseline)
    d = [float(v) - float(b) for b, v in zip(baseline, variant, strict=True)]
    mean = math.fsum(d) / n
    if n == 1:
        return Contrast(1, mean, None, None, None, None, margin, "undecided", False)
    sd = sd_equivalence = _deviation(d, mean)
    values = [*map(float, baseline), *map(float, variant)]
    rounding = NOISE * max(map(abs, values))
    if sd <= rounding:
        if abs(mean) <= rounding:
            return _identical(n, mean, margin)
        sd, sd_equivalence = _of_rounding(values, rounding)
    error = sd / math.sqrt(n)
    half = float(special.stdtrit(n - 1, 1 - ALPHA / 2)) * error
    p = 2 * float(special.stdtr(n - 1, -abs(mean) / error))
    room = (margin - abs(mean)) / (sd_equivalence / math.sqrt(n))
    equivalence = float(special.stdtr(n - 1, -room)) if margin > 0 else 1.0
    verdict = _verdict(mean, p, equivalence)
    interval = (mean - half, mean + half)
    return Contrast(n, mean, sd, interval, p, equivalence, margin, verdict, False)


def _of_rounding(values: Sequence[float], rounding: float) -> tuple[float, float]:
    """Deviations of values that agree, for "no difference" and for equivalence: numbers of a coarse
    grid (AUROC of tens of images) agree by chance.

    The grid is at most the smallest gap g between any two of the values. g/√12 is the deviation of
    rounding to it (exchangeable values differ by c with probability ¼ at most, three times in a row
    in less than 4 % of cases), g/2 the largest possible.
    """
    gap = smallest_gap(values, rounding)
    return gap / math.sqrt(12), gap / 2


def _deviation(d: Sequence[float], mean: float) -> float:
    sd = math.sqrt(math.fsum((x - mean) * (x - mean) for x in d) / (len(d) - 1))
    if not math.isfinite(sd):
        raise ValueError(
            "the differences are too large for float64; are these values of one metric?"
        )
    return sd


def _identical(n: int, mean: float, margin: float) -> Contrast:
    """Every pair has the same bits."""
    known = margin > 0 and n >= SEEDS_FOR_INTERVAL
    verdict, equivalence = ("equivalent", 0.0) if known else ("undecided", 1.0)
    return Contrast(n, mean, 0.0, (mean, mean), 1.0, equivalence, margin, verdict, True)


def holm(contrasts: Sequence[Contrast]) -> tuple[Contrast, ...]:
    """The same contrasts as one table: p-values and verdicts that hold for all of them together.

    Holm's step-down method (1979), once over the p-values of "no difference" and once over those
    of "not equivalent": with probability 95 % no *better* or *worse* of the table is false, and
    with probability 95 % no *equivalent* is. Two families, since these are two promises to the
    reader; of one contrast only one of the two hypotheses can be true. `p` and intervals
    stay those of one contrast. Contrasts of one seed have no p-value and take no part.

    Raises:
        ValueError: a contrast was adjusted before.
    """
    if any(c.p_holm is not None for c in contrasts):
        raise ValueError("contrasts are adjusted already; give holm() those of contrast()")
    tested = [i for i, c in enumerate(contrasts) if c.p is not None]
    differences = adjusted([contrasts[i].p or 0.0 for i in tested])
    equivalences = adjusted([contrasts[i].p_equivalence or 0.0 for i in tested])
    table = list(contrasts)
    level = ALPHA / max(1, sum(p > ALPHA for p in differences))
    level_equivalence = ALPHA / max(1, sum(p > ALPHA for p in equivalences))
    for i, p, equivalence in zip(tested, differences, equivalences, strict=True):
        table[i] = replace(
            contrasts[i],
            p_holm=p,
            p_equivalence_holm=equivalence,
            verdict=_verdict(contrasts[i].difference, p, equivalence),
            level=level,
            level_equivalence=level_equivalence,
        )
    return tuple(table)


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Holm's p-values (1979): at most α where the step-down method rejects at α for all together.

    Raises:
        ValueError: one is not in [0, 1].
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(f"p-values {list(p_values)}; each must be in [0, 1]")
    m = len(p_values)
    largest = 0.0
    found = [0.0] * m
    for rank, i in enumerate(sorted(range(m), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (m - rank) * p_values[i]))
        found[i] = largest
    return found


def _verdict(difference: float, p: float, p_equivalence: float) -> Verdict:
    if p_equivalence <= ALPHA:
        return "equivalent"
    if p > ALPHA:
        return "undecided"
    return "better" if difference > 0 else "worse"


def _checked(baseline: Sequence[float], variant: Sequence[float], margin: float) -> None:
    if len(baseline) != len(variant):
        raise ValueError(
            f"{len(baseline)} values of the baseline and {len(variant)} of the variant; give those "
            "of the same seeds, in the same order"
        )
    if not len(baseline):
        raise ValueError("no values; a contrast needs one seed at least, and two for a verdict")
    for name, values in (("baseline", baseline), ("variant", variant)):
        for i, value in enumerate(values):
            if not math.isfinite(value):
                raise ValueError(
                    f"{name}[{i}] is {value}; leave the seeds out whose trials have no value (they "
                    "diverged or were stopped), in both, and say how many"
                )
    if not (math.isfinite(margin) and margin >= 0):
        raise ValueError(f"margin {margin}; give a finite number, 0 or more")
