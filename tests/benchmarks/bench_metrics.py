"""Exact pixel metrics of one class of MVTec AD's size against scikit-learn.

python tests/benchmarks/bench_metrics.py [--rounds N]
"""

import argparse

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.metrics import average_precision_score, roc_auc_score
from timing import fastest, print_table

from moleflow.metrics.detection import aupro, binary_scores
from moleflow.streams import numpy_stream

IMAGES, SIDE = 83, 224


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    masks, maps = smooth_maps()
    labels, scores = masks.ravel(), maps.ravel()

    def theirs() -> tuple[float, float]:
        return roc_auc_score(labels, scores), average_precision_score(labels, scores)

    ours = binary_scores(labels, scores)
    if not np.allclose(theirs(), (ours.auroc, ours.ap), rtol=0, atol=1e-9):
        raise SystemExit(f"not the same numbers: scikit-learn {theirs()}, here {ours}")
    pair = {"theirs": theirs, "ours": lambda: binary_scores(labels, scores)}
    times = fastest(pair, rounds)
    overlap = fastest({"aupro": lambda: aupro(masks, maps, 0.3)}, rounds)["aupro"]
    size = f"{IMAGES} x {SIDE}^2"
    print_table(
        [
            (f"scikit-learn AUROC + AP, {size}", times["theirs"], "1.0", ""),
            ("here", times["ours"], f"{times['theirs'] / times['ours']:.1f}", ">= 5"),
            ("AUPRO at 0.3", overlap, "", "< 5 s"),
        ]
    )


def smooth_maps() -> tuple[np.ndarray, np.ndarray]:
    """Masks with two discs in most pictures, and smoothed noise that is higher there; float32."""
    draws = numpy_stream("bench metrics")
    rows, columns = np.mgrid[:SIDE, :SIDE]
    masks = np.zeros((IMAGES, SIDE, SIDE), dtype=bool)
    for mask in masks[: IMAGES * 3 // 4]:
        for y, x, radius in zip(*draws.integers(20, SIDE - 20, (2, 2)), (9, 17), strict=True):
            mask |= (rows - y) ** 2 + (columns - x) ** 2 < radius**2
    maps = draws.normal(size=masks.shape) * 8 + masks
    return masks, gaussian_filter(maps, (0, 4, 4)).astype(np.float32)


if __name__ == "__main__":
    main()
