"""How well scores tell anomalous from normal, exactly: every distinct score is a threshold.

n images of h x w pixels; k distinct scores (docs/method.md, 8.2). One sort serves all metrics.
Equal scores fall under one threshold together, as in scikit-learn. All is computed where the scores
are; counts and overlaps are integers, whose sums are the same on every device.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int32, Int64, Integer
from torch import Tensor

from moleflow.metrics.regions import Regions

Scores = Float[np.ndarray | Tensor, "..."]

WHOLE = 2**62
"""Overlap with all regions, as an integer: the share of one pixel is rounded by 2^-63 at most."""
FINE = 2**57
"""One, as an integer, in sums of less than 2^5."""


@dataclass(frozen=True)
class BinaryMetrics:
    """Ranking quality of scores against labels, each in [0, 1]."""

    auroc: float
    """Area under the ROC curve; equal scores count one half (trapezoid)."""
    ap: float
    """Average precision: sum of (recall step) x (precision), without interpolation."""
    f1_max: float
    """Largest F1 over all thresholds."""


@dataclass(frozen=True)
class Ranking:
    """Things in the order of falling score. A tag is 0 for a normal thing, else its region."""

    tags: Int32[Tensor, " n"]
    ends: Integer[Tensor, " k"]
    """Index of the last thing at or above each distinct score."""
    true_positives: Integer[Tensor, " k"]
    false_positives: Integer[Tensor, " k"]


@dataclass(frozen=True)
class Detection:
    """Scores of one class against the truth, as metrics are computed from them."""

    images: Ranking
    pixels: Ranking | None
    """None for a class without masks, as `regions`."""
    regions: Regions | None
    aupro_limit: float

    @cached_property
    def image(self) -> BinaryMetrics:
        return binary_metrics(self.images)

    @cached_property
    def pixel(self) -> BinaryMetrics:
        return binary_metrics(self._masked[0])

    @cached_property
    def aupro(self) -> float:
        return aupro_of(*self._masked, self.aupro_limit)

    @property
    def _masked(self) -> tuple[Ranking, Regions]:
        assert self.pixels is not None and self.regions is not None, "the class has no masks"
        return self.pixels, self.regions


def ranking(tags: Integer[Tensor, "..."], scores: Scores) -> Ranking:
    scores = torch.from_numpy(np.array(scores)) if isinstance(scores, np.ndarray) else scores
    if tags.shape != scores.shape:
        raise ValueError(
            f"labels have shape {tuple(tags.shape)} but scores have {tuple(scores.shape)}"
        )
    if wrong := scores.numel() - int(torch.isfinite(scores).sum()):
        raise ValueError(f"{wrong} of {scores.numel()} scores are not finite; no metric is defined")
    return counted(*by_falling_score(tags.to(scores.device), scores))


def by_falling_score(
    tags: Integer[Tensor, "..."], scores: Float[Tensor, "..."]
) -> tuple[Int32[Tensor, " n"], Bool[Tensor, " n"]]:
    """Tags, which are not negative, of things in the order of falling score, and whether each is
    the last of its tie."""
    sort = _sorted_wide if scores.dtype == torch.float64 else _sorted_single
    return sort(tags.flatten(), scores.flatten())


def counted(tags: Integer[Tensor, " n"], last_of_tie: Bool[Tensor, " n"]) -> Ranking:
    """Of things by falling score."""
    ends = positions(last_of_tie)
    true_positives = running_sum(tags != 0).index_select(0, ends)
    false_positives = ends + 1 - true_positives
    if not len(ends) or int(true_positives[-1]) == 0 or int(false_positives[-1]) == 0:
        raise ValueError("labels are all of one kind; both normal and anomalous are needed")
    return Ranking(tags, ends, true_positives, false_positives)


def _sorted_single(
    tags: Integer[Tensor, " n"], scores: Float[Tensor, " n"]
) -> tuple[Int32[Tensor, " n"], Bool[Tensor, " n"]]:
    """Score and tag are packed in one 64-bit key: a plain sort suffices, nothing is gathered."""
    # Adding 0 makes -0.0 equal to 0.0 in its bits too.
    bits = (scores.float() + 0).view(torch.int32)
    # Positive scores rise in their bits as in value; negative ones are turned round, then all.
    rising = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    keys = _sorted_keys((~rising).long().bitwise_left_shift_(32).bitwise_or_(tags))
    return keys.int(), _last_of_tie(keys >> 32)


def _sorted_wide(
    tags: Integer[Tensor, " n"], scores: Float[Tensor, " n"]
) -> tuple[Int32[Tensor, " n"], Bool[Tensor, " n"]]:
    """As `_sorted_single`, for float64."""
    falling, order = scores.sort(descending=True, stable=True)
    return tags[order].int(), _last_of_tie(falling)


def _last_of_tie(values: Tensor) -> Bool[Tensor, " n"]:
    last = values.new_ones(len(values), dtype=torch.bool)
    torch.ne(values[1:], values[:-1], out=last[:-1])
    return last


def binary_metrics(ranking: Ranking) -> BinaryMetrics:
    tp, fp = ranking.true_positives, ranking.false_positives
    positives, negatives = int(tp[-1]), int(fp[-1])
    # Twice the number of correctly ordered pairs, ties one half: an exact integer.
    twice_ordered = int(fp[0] * tp[0]) + int((fp[1:] - fp[:-1]).mul_(tp[1:] + tp[:-1]).sum())
    found, flagged = tp.double(), (ranking.ends + 1).double()
    precision = found / flagged
    gained = float(found[0] * precision[0])
    gained += float((found[1:] - found[:-1]).mul_(precision[1:]).sum())
    return BinaryMetrics(
        auroc=twice_ordered / (2 * positives * negatives),
        ap=gained / positives,
        f1_max=2 * float(found.div_(flagged.add_(positives)).max()),
    )


@dataclass(frozen=True)
class OverlapCurve:
    """Per-region overlap against false-positive rate, up to a limit of the rate, from (0, 0)."""

    rate: Float[Tensor, " k"]
    """At each threshold, to the first beyond the limit."""
    overlap: Float[Tensor, " k"]
    inside: int
    """Thresholds whose rate is within the limit."""
    limit: float

    @property
    def part(self) -> float:
        """Of the way from the last threshold inside to the first beyond, to the limit."""
        if self.inside == len(self.rate):
            return 0.0
        x0 = float(self.rate[self.inside - 1]) if self.inside else 0.0
        return (self.limit - x0) / (float(self.rate[self.inside]) - x0)

    @property
    def points(self) -> tuple[Float[Tensor, " p"], Float[Tensor, " p"]]:
        """Rate and overlap where the line from (0, 0) to the limit bends, both ends with it."""
        m, zero = self.inside, self.rate.new_zeros(1)
        y0 = float(self.overlap[m - 1]) if m else 0.0
        beyond = m < len(self.rate)
        last = y0 + self.part * (float(self.overlap[m]) - y0) if beyond else y0
        each = ((self.rate, self.limit), (self.overlap, last))
        x, y = (torch.cat([zero, of[:m], of.new_full((1,), end)]) for of, end in each)
        return x, y


def overlap_curve(ranking: Ranking, regions: Regions, fpr_limit: float) -> OverlapCurve:
    if not 0 < fpr_limit <= 1:
        raise ValueError(f"AUPRO's limit is {fpr_limit}; it must lie in (0, 1]")
    rate = ranking.false_positives.double() / int(ranking.false_positives[-1])
    inside = int((rate <= fpr_limit).sum())
    kept = slice(0, inside + 1)  # and the first threshold beyond the limit
    ends = ranking.ends[kept]
    tags = ranking.tags[: int(ends[-1]) + 1]
    covered = running_sum(shares(regions.areas).to(tags.device).index_select(0, tags))
    overlap = covered.index_select(0, ends).double() / WHOLE
    return OverlapCurve(rate[kept], overlap, inside, fpr_limit)


def aupro_of(ranking: Ranking, regions: Regions, fpr_limit: float) -> float:
    rate, overlap = overlap_curve(ranking, regions, fpr_limit).points
    return float(torch.trapezoid(overlap, rate)) / fpr_limit


def shares(areas: Integer[np.ndarray, " tags"]) -> Integer[Tensor, " tags"]:
    """What a pixel adds to the overlap: of a region of area a, one of R regions, 1 / (a R)."""
    shares = np.zeros(len(areas), np.int64)
    pixels = areas[1:] * (len(areas) - 1)
    shares[1:] = (WHOLE + pixels // 2) // pixels
    return torch.from_numpy(shares)


# Steps of a ranking for which NumPy is faster than torch on a processor: by 2 to 20 times.
# Deterministic on a GPU, too: sums of integers, and sorts of keys that hold all there is.


def _sorted_keys(keys: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
    """Rising; may be sorted in place."""
    if keys.is_cuda:
        return keys.sort().values
    keys.numpy().sort()
    return keys


def running_sum(counts: Bool[Tensor, " n"] | Integer[Tensor, " n"]) -> Int64[Tensor, " n"]:
    """Sum of each and all before it."""
    if counts.is_cuda:
        return counts.cumsum(0, dtype=torch.int64)
    return torch.from_numpy(np.cumsum(counts.numpy(), dtype=np.int64))


def positions(flags: Bool[Tensor, " n"]) -> Int64[Tensor, " k"]:
    """Where a flag is set."""
    if flags.is_cuda:
        return flags.nonzero().squeeze(1)
    return torch.from_numpy(np.flatnonzero(flags.numpy()))


def sums_by(
    bins: Integer[Tensor, " n"], values: Float[Tensor, " n"], size: int
) -> Float[Tensor, " size"]:
    """Sum of the values of each bin, less than 2^5."""
    if values.is_cuda:
        whole = (values * FINE).round().long()
        return whole.new_zeros(size).index_add_(0, bins, whole).double() / FINE
    return torch.from_numpy(np.bincount(bins.numpy(), values.numpy(), size))
