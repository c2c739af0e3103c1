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
    tags = tags.to(scores.device)
    sort = _sorted_wide if scores.dtype == torch.float64 else _sorted_single
    sorted_tags, last_of_tie = sort(tags.flatten(), scores.flatten())
    ends = _positions(last_of_tie)
    true_positives = _running_sum(sorted_tags != 0).index_select(0, ends)
    false_positives = ends + 1 - true_positives
    if not len(ends) or int(true_positives[-1]) == 0 or int(false_positives[-1]) == 0:
        raise ValueError("labels are all of one kind; both normal and anomalous are needed")
    return Ranking(sorted_tags, ends, true_positives, false_positives)


def _sorted_single(
    tags: Integer[Tensor, " n"], scores: Float[Tensor, " n"]
) -> tuple[Int32[Tensor, " n"], Bool[Tensor, " n"]]:
    """Tags by falling float32 score, and whether each is the last of its tie.

    Score and tag are packed in one 64-bit key: a plain sort suffices, nothing is gathered.
    """
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


def aupro_of(ranking: Ranking, regions: Regions, fpr_limit: float) -> float:
    if not 0 < fpr_limit <= 1:
        raise ValueError(f"AUPRO's limit is {fpr_limit}; it must lie in (0, 1]")
    rate = ranking.false_positives.double() / int(ranking.false_positives[-1])
    inside = int((rate <= fpr_limit).sum())
    kept = slice(0, inside + 1)  # and the first threshold beyond the limit
    ends = ranking.ends[kept]
    tags = ranking.tags[: int(ends[-1]) + 1]
    covered = _running_sum(_shares(regions.areas).to(tags.device).index_select(0, tags))
    overlap = covered.index_select(0, ends).double() / WHOLE
    last = _at_limit(rate[kept], overlap, inside, fpr_limit)
    x = torch.cat([rate.new_zeros(1), rate[:inside], rate.new_full((1,), fpr_limit)])
    y = torch.cat([rate.new_zeros(1), overlap[:inside], rate.new_full((1,), last)])
    return float(torch.trapezoid(y, x)) / fpr_limit


def _shares(areas: Integer[np.ndarray, " tags"]) -> Integer[Tensor, " tags"]:
    """What a pixel adds to the overlap: of a region of area a, one of R regions, 1 / (a R)."""
    shares = np.zeros(len(areas), np.int64)
    pixels = areas[1:] * (len(areas) - 1)
    shares[1:] = (WHOLE + pixels // 2) // pixels
    return torch.from_numpy(shares)


def _at_limit(
    rate: Float[Tensor, " k"], overlap: Float[Tensor, " k"], inside: int, fpr_limit: float
) -> float:
    """Overlap where the rate reaches the limit, on the line to the first threshold beyond it."""
    if inside == len(rate):
        return float(overlap[-1])
    x0, y0 = (float(rate[inside - 1]), float(overlap[inside - 1])) if inside else (0.0, 0.0)
    x1, y1 = float(rate[inside]), float(overlap[inside])
    return y0 + (fpr_limit - x0) / (x1 - x0) * (y1 - y0)


# Steps of a ranking for which NumPy is faster than torch on a processor: by 2 to 20 times.
# Deterministic on a GPU, too: sums of integers, and sorts of keys that hold all there is.


def _sorted_keys(keys: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
    """Rising; may be sorted in place."""
    if keys.is_cuda:
        return keys.sort().values
    keys.numpy().sort()
    return keys


def _running_sum(counts: Bool[Tensor, " n"] | Integer[Tensor, " n"]) -> Int64[Tensor, " n"]:
    """Sum of each and all before it."""
    if counts.is_cuda:
        return counts.cumsum(0, dtype=torch.int64)
    return torch.from_numpy(np.cumsum(counts.numpy(), dtype=np.int64))


def _positions(flags: Bool[Tensor, " n"]) -> Int64[Tensor, " k"]:
    """Where a flag is set."""
    if flags.is_cuda:
        return flags.nonzero().squeeze(1)
    return torch.from_numpy(np.flatnonzero(flags.numpy()))
