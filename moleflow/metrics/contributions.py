"""What each test picture contributes to the pixel metrics of its class (docs/method.md, 8.2).

Pixels of one picture are no sample of their own: they come and go together. How a metric hangs on
a picture is its derivative by how often the picture counts (the infinitesimal jackknife, Efron
1982; of AUROC it gives DeLong's variance for clusters, Obuchowski, Biometrics 1997). It is kept as
the pseudo-value metric + n · derivative, whose mean over the n pictures is the metric, and whose
scatter tells what other pictures would have given.

n pictures of h x w pixels, k distinct scores: every one is a threshold, as for the metrics. Sums
over thresholds are of whole numbers, so that they are the same on every device.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from moleflow.metrics.ranking import (
    FINE,
    WHOLE,
    OverlapCurve,
    Ranking,
    Scores,
    binary_metrics,
    by_falling_score,
    counted,
    overlap_curve,
    positions,
    running_sum,
    shares,
    sums_by,
)
from moleflow.metrics.regions import Regions


@dataclass(frozen=True)
class Slopes:
    """What one more pixel of each score, in a picture of its own, does to a metric."""

    value: float
    """Of the metric."""
    anomalous: Float[Tensor, " k"]
    normal: Float[Tensor, " k"]
    by_region: bool = False
    """Whether an anomalous pixel counts as the part of all regions that it is."""


def contributions(
    regions: Regions, maps: Scores, aupro_limit: float
) -> dict[str, Float[np.ndarray, " n"]]:
    """Pseudo-values of every pixel metric by name, in the order of the pictures.

    Args:
        regions: of the masks, n h w.
        maps: anomaly maps, n h w.

    Raises:
        ValueError: shapes differ, a score is not finite, or one kind of pixel is missing.
    """
    maps = torch.from_numpy(np.array(maps)) if isinstance(maps, np.ndarray) else maps
    if regions.tags.shape != maps.shape or not bool(torch.isfinite(maps).all()):
        raise ValueError("masks and maps must be of one shape, and scores finite")
    n, tags = len(maps), regions.tags.to(maps.device).int()
    number = torch.arange(n, dtype=torch.int32, device=maps.device)[:, None, None]
    # A pixel's picture where it is normal, else its region, which is of one picture.
    codes, last = by_falling_score(torch.where(tags == 0, number, tags + (n - 1)), maps)
    ranking = _merged(counted((codes - (n - 1)).clamp_(min=0), last))
    normal, anomalous = codes[codes < n], ranking.tags[ranking.tags != 0]
    parts = shares(regions.areas).to(maps.device).double() / WHOLE
    home = torch.zeros(len(parts), dtype=torch.int32, device=maps.device)
    home[tags.flatten().long()] = number.expand_as(tags).flatten()
    of_both = tuple(_steps(of) for of in (ranking.false_positives, ranking.true_positives))
    found: dict[str, Float[np.ndarray, " n"]] = {}
    for name, slopes in _slopes(ranking, regions, aupro_limit):
        each = slopes.normal.repeat_interleave(of_both[0])
        own = slopes.anomalous.repeat_interleave(of_both[1])
        own = own * parts[anomalous] if slopes.by_region else own
        total = sums_by(normal, each, n) + sums_by(home[anomalous], own, n)
        found[name] = slopes.value + n * total.cpu().numpy()
    return found


def _merged(ranking: Ranking) -> Ranking:
    """Thresholds that no anomalous pixel parts are one: metrics are the same."""
    hits = _steps(ranking.true_positives) > 0
    kept = positions(hits | torch.cat([hits[1:], hits.new_ones(1)]))
    each = (ranking.ends, ranking.true_positives, ranking.false_positives)
    return Ranking(ranking.tags, *(of.index_select(0, kept) for of in each))


def _slopes(ranking: Ranking, regions: Regions, limit: float) -> Iterator[tuple[str, Slopes]]:
    """By metric, each made when it is asked for: they are as long as there are scores."""
    yield "pixel_auroc", _auroc(ranking)
    yield "pixel_ap", _ap(ranking)
    yield "pixel_f1_max", _f1_max(ranking)
    yield "aupro", _aupro(ranking, regions, limit)


def _auroc(ranking: Ranking) -> Slopes:
    """By the share of pixels of the other kind that are in order with it, equal ones half."""
    tp, fp = ranking.true_positives.double(), ranking.false_positives.double()
    value = binary_metrics(ranking).auroc
    below = 1 - (fp - _steps(fp) / 2) / fp[-1]
    above = (tp - _steps(tp) / 2) / tp[-1]
    return Slopes(value, (below - value) / tp[-1], (above - value) / fp[-1])


def _ap(ranking: Ranking) -> Slopes:
    """A pixel counts at its own threshold, and in the precision of all below."""
    tp, found = ranking.true_positives.double(), (ranking.ends + 1).double()
    value, precision, steps = binary_metrics(ranking).ap, tp / found, _steps(tp)
    lost = -_from_here_on(steps * precision / found) / tp[-1]
    won = (precision - value + _from_here_on(steps / found)) / tp[-1]
    return Slopes(value, won + lost, lost)


def _f1_max(ranking: Ranking) -> Slopes:
    """At the best threshold, which a small change of weights does not move."""
    tp, found = ranking.true_positives.double(), (ranking.ends + 1).double()
    value = binary_metrics(ranking).f1_max
    best = int((tp / (found + tp[-1])).argmax())
    each = 1 / float(found[best] + tp[-1])
    flagged = (torch.arange(len(tp), device=tp.device) <= best).double()
    return Slopes(value, each * (flagged * (2 - value) - value), each * flagged * -value)


def _aupro(ranking: Ranking, regions: Regions, limit: float) -> Slopes:
    """The area grows with the overlap at each threshold, by the width beside it, and falls with
    the rate, by the rise beside it."""
    curve = overlap_curve(ranking, regions, limit)
    rate, overlap = curve.points
    value = float(torch.trapezoid(overlap, rate)) / limit
    by_overlap = _beside(rate.diff(), curve) / limit
    by_rate = _beside(-overlap.diff(), curve) / limit
    held, k = len(curve.rate), len(ranking.ends)
    slopes = rate.new_zeros(2, k)
    slopes[0, :held] = _from_here_on(by_overlap)
    slopes[1, :held] = _from_here_on(by_rate)
    slopes[0] -= (by_overlap * curve.overlap).sum()
    slopes[1] -= (by_rate * curve.rate).sum()
    return Slopes(value, slopes[0], slopes[1] / int(ranking.false_positives[-1]), by_region=True)


def _beside(steps: Float[Tensor, " p"], curve: OverlapCurve) -> Float[Tensor, " k"]:
    """Half of the steps before and after each threshold; of the step to the limit, which lies
    between two, each has its part."""
    m, part = curve.inside, curve.part
    found = torch.zeros_like(curve.rate)
    found[:m] = (steps[:-1] + steps[1:]) / 2
    last = float(steps[-1]) / 2
    if m:
        found[m - 1] += last * (1 - part)
    if m < len(found):
        found[m] = last * part
    return found


def _steps(rising: Tensor) -> Tensor:
    """From 0, and from each to the next, k."""
    return rising.diff(prepend=rising.new_zeros(1))


def _from_here_on(values: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    """Sum of each and all after it."""
    whole = (values * FINE).round().long()
    return (whole.sum() - running_sum(whole) + whole).double() / FINE
