"""How well scores tell anomalous from normal, exactly: every distinct score is a threshold.

n images of h x w pixels; k distinct scores (METHOD 8). One sort serves AUROC, AP, F1-max and AUPRO.
Equal scores fall under one threshold together, as in scikit-learn.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy import ndimage

EIGHT_CONNECTED_WITHIN_AN_IMAGE = np.stack(
    [np.zeros((3, 3), bool), np.ones((3, 3), bool), np.zeros((3, 3), bool)]
)


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

    tags: Integer[np.ndarray, " n"]
    ends: Integer[np.ndarray, " k"]
    """Index of the last thing at or above each distinct score."""
    true_positives: Integer[np.ndarray, " k"]
    false_positives: Integer[np.ndarray, " k"]


def binary_scores(labels: Bool[np.ndarray, " n"], scores: Float[np.ndarray, " n"]) -> BinaryMetrics:
    """AUROC, AP and F1-max of scores that should be higher where the label is true.

    Raises:
        ValueError: shapes differ, only one kind of label is there, or a score is not finite.
    """
    return _binary_metrics(_ranking(np.asarray(labels).astype(np.uint32), scores))


def aupro(
    masks: Bool[np.ndarray, "n h w"], maps: Float[np.ndarray, "n h w"], fpr_limit: float = 0.3
) -> float:
    """Area under per-region overlap (PRO) against false-positive rate, divided by the limit.

    PRO is the mean over all 8-connected regions of the region's share at or above the threshold;
    the rate counts all normal pixels of all images. Linear between thresholds and up to the limit
    (Bergmann et al., MVTec AD, IJCV 2021).

    Raises:
        ValueError: shapes differ, no anomalous or no normal pixel, a score that is not finite, or a
            limit outside (0, 1].
    """
    regions, areas = _regions(masks)
    return _aupro(_ranking(regions, maps), areas, fpr_limit)


def detection_metrics(
    labels: Bool[np.ndarray, " n"],
    image_scores: Float[np.ndarray, " n"],
    masks: Bool[np.ndarray, "n h w"] | None,
    maps: Float[np.ndarray, "n h w"] | None,
    aupro_limit: float,
) -> dict[str, float]:
    """All detection metrics of one class by name; those of pixels only where masks are given.

    Raises:
        ValueError: as `binary_scores` and `aupro`, or masks without maps.
    """
    image = binary_scores(labels, image_scores)
    metrics = {"image_auroc": image.auroc, "image_ap": image.ap, "image_f1_max": image.f1_max}
    if masks is None:
        return metrics
    if maps is None:
        raise ValueError("masks are given without anomaly maps; give both or neither")
    regions, areas = _regions(masks)
    ranking = _ranking(regions, maps)
    pixel = _binary_metrics(ranking)
    return metrics | {
        "pixel_auroc": pixel.auroc,
        "pixel_ap": pixel.ap,
        "pixel_f1_max": pixel.f1_max,
        "aupro": _aupro(ranking, areas, aupro_limit),
    }


def _regions(
    masks: Bool[np.ndarray, "n h w"],
) -> tuple[Integer[np.ndarray, "n h w"], Integer[np.ndarray, " tags"]]:
    """Each pixel's region (0 where normal), and the area of each region by its number."""
    masks = np.asarray(masks)
    if masks.ndim != 3:
        raise ValueError(f"masks have shape {masks.shape}; expected (images, height, width)")
    regions = np.empty(masks.shape, np.int32)
    ndimage.label(masks, structure=EIGHT_CONNECTED_WITHIN_AN_IMAGE, output=regions)
    return regions, np.bincount(regions.ravel())


def _ranking(tags: Integer[np.ndarray, "..."], scores: Float[np.ndarray, "..."]) -> Ranking:
    scores = np.asarray(scores)
    if tags.shape != scores.shape:
        raise ValueError(f"labels have shape {tags.shape} but scores have {scores.shape}")
    if not np.isfinite(scores).all():
        bad = int(scores.size - np.isfinite(scores).sum())
        raise ValueError(f"{bad} of {scores.size} scores are not finite; no metric is defined")
    single = scores.dtype in (np.float32, np.float16)
    sort: Callable[..., tuple[np.ndarray, np.ndarray]] = _sorted_single if single else _sorted_any
    sorted_tags, last_of_tie = sort(tags.ravel(), scores.ravel())
    ends = np.flatnonzero(last_of_tie)
    true_positives = np.cumsum(sorted_tags != 0, dtype=np.int64)[ends]
    false_positives = ends + 1 - true_positives
    if not ends.size or true_positives[-1] == 0 or false_positives[-1] == 0:
        raise ValueError("labels are all of one kind; both normal and anomalous are needed")
    return Ranking(sorted_tags, ends, true_positives, false_positives)


def _sorted_single(tags: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tags by falling float32 score, and whether each is the last of its tie.

    Score and tag are packed in one 64-bit key: a plain sort suffices, nothing is gathered.
    """
    # Adding 0 makes -0.0 equal to 0.0 in its bits too.
    bits = (scores.astype(np.float32, copy=False) + np.float32(0)).view(np.int32)
    # Negative scores already rise in bits as they fall in value; positive ones are turned round.
    falling = np.where(bits < 0, bits, ~bits & np.int32(0x7FFFFFFF)).view(np.uint32)
    keys = falling.astype(np.uint64)
    keys <<= np.uint64(32)
    keys |= tags.astype(np.uint32, copy=False)
    keys.sort()
    sorted_tags = keys.astype(np.uint32)
    keys >>= np.uint64(32)
    return sorted_tags, _last_of_tie(keys)


def _sorted_any(tags: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `_sorted_single`, for scores of any type."""
    order = np.argsort(scores)[::-1]
    return tags[order], _last_of_tie(scores[order])


def _last_of_tie(values: np.ndarray) -> Bool[np.ndarray, " n"]:
    last = np.ones(values.size, dtype=bool)
    np.not_equal(values[1:], values[:-1], out=last[:-1])
    return last


def _binary_metrics(ranking: Ranking) -> BinaryMetrics:
    tp, fp = ranking.true_positives, ranking.false_positives
    positives, negatives = int(tp[-1]), int(fp[-1])
    tp_step, fp_step = np.diff(tp, prepend=0), np.diff(fp, prepend=0)
    # Twice the number of correctly ordered pairs, ties one half: an exact integer.
    twice_ordered = int(np.dot(fp_step, 2 * tp - tp_step))
    flagged = tp + fp
    return BinaryMetrics(
        auroc=twice_ordered / (2 * positives * negatives),
        ap=float(np.sum(tp_step * (tp / flagged))) / positives,
        f1_max=float(np.max(2 * tp / (flagged + positives))),
    )


def _aupro(ranking: Ranking, areas: Integer[np.ndarray, " tags"], fpr_limit: float) -> float:
    if not 0 < fpr_limit <= 1:
        raise ValueError(f"AUPRO's limit is {fpr_limit}; it must lie in (0, 1]")
    # A pixel of a region of area a, one of R regions, adds 1 / (a R) to the mean overlap.
    share = np.zeros(areas.size)
    share[1:] = 1 / (areas[1:] * (areas.size - 1))
    overlap = np.cumsum(share[ranking.tags])[ranking.ends]
    rate = ranking.false_positives / ranking.false_positives[-1]
    inside = int(np.searchsorted(rate, fpr_limit, side="right"))
    x = np.concatenate([[0.0], rate[:inside], [fpr_limit]])
    y = np.concatenate([[0.0], overlap[:inside], [_at_limit(rate, overlap, inside, fpr_limit)]])
    return float(np.trapezoid(y, x)) / fpr_limit


def _at_limit(rate: np.ndarray, overlap: np.ndarray, inside: int, fpr_limit: float) -> float:
    """Overlap where the rate reaches the limit, on the line to the first threshold beyond it."""
    if inside == rate.size:
        return float(overlap[-1])
    x0, y0 = (rate[inside - 1], overlap[inside - 1]) if inside else (0.0, 0.0)
    weight = (fpr_limit - x0) / (rate[inside] - x0)
    return float(y0 + weight * (overlap[inside] - y0))
