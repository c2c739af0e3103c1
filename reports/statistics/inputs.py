"""What tables of numbers must be before anything is said of them."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

Numbers = np.ndarray | Sequence[Any]
"""An array, or lists of lists of one length."""


def numbers(values: Numbers, name: str, dimensions: int) -> np.ndarray:
    """As float64.

    Raises:
        ValueError: other dimensions, none at all, or one that is not finite.
    """
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != dimensions or not found.size:
        raise ValueError(f"{name} has shape {found.shape}; expected {dimensions} filled dimensions")
    bad = np.argwhere(~np.isfinite(found))
    if len(bad):
        where = ", ".join(map(str, bad[0]))
        raise ValueError(
            f"{name}[{where}] is {found[tuple(bad[0])]}; leave out what has no value, and say so"
        )
    return found


def pair_of_classes(labels: Numbers, things: int) -> np.ndarray:
    """Labels as booleans.

    Raises:
        ValueError: not one for each thing, or only one kind.
    """
    found = np.asarray(labels).astype(bool)
    if found.shape != (things,):
        raise ValueError(f"labels have shape {found.shape}; expected ({things},)")
    if found.all() or not found.any():
        raise ValueError("only one kind of label; detection needs normal and anomalous images")
    return found


def smallest_gap(values: Sequence[float], rounding: float) -> float:
    """Between any two that differ by more than rounding: the grid on which they lie is no coarser.

    What shows no noise on a grid may have some below it: √(g²/12) is the deviation of rounding.
    """
    gaps = (high - low for low, high in itertools.pairwise(sorted(values)))
    return min((gap for gap in gaps if gap > rounding), default=rounding)
