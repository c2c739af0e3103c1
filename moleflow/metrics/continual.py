"""What a sequence of tasks does to earlier ones (docs/method.md, 8.3).

R[i, j] is a metric of class j after step i; own(j) is the step at which class j was learned, and
`last` the final one. R is read from own(j) on; entries before it (NaN) do not exist yet. T steps,
J classes. Each function is the unweighted mean of one definition, the same bits in every order of
the classes; positive transfer is good, positive forgetting is bad. Those about earlier classes need
a class learned before the last step.
"""

import numpy as np
from jaxtyping import Float, Integer

from moleflow.metrics.means import mean

Matrix = Float[np.ndarray, "t j"]
OwnStep = Integer[np.ndarray, " j"]


def final_mean(matrix: Matrix, own_step: OwnStep) -> float:
    """Mean over classes of R[last, j]."""
    return mean(matrix[-1])


def on_task_mean(matrix: Matrix, own_step: OwnStep) -> float:
    """Mean over classes of R[own(j), j]."""
    return mean(_own(matrix, own_step))


def backward_transfer_last_minus_own(matrix: Matrix, own_step: OwnStep) -> float:
    """Mean over earlier classes of R[last, j] - R[own(j), j] (Lopez-Paz and Ranzato, GEM, 2017)."""
    earlier = _earlier(matrix, own_step)
    return mean((matrix[-1] - _own(matrix, own_step))[earlier])


def backward_transfer_mean_over_pairs(matrix: Matrix, own_step: OwnStep) -> float:
    """Mean over all i > own(j) of R[i, j] - R[own(j), j] (Díaz-Rodríguez et al., 2018)."""
    later = np.arange(len(matrix))[:, None] > own_step
    return mean((matrix - _own(matrix, own_step))[later])


def forgetting_max_minus_last(matrix: Matrix, own_step: OwnStep) -> float:
    """Mean over earlier classes of max over i of R[i, j] - R[last, j].

    The maximum includes the last step, so forgetting is never negative; Chaudhry et al. (2018)
    leave that step out.
    """
    reached = np.arange(len(matrix))[:, None] >= own_step
    best = np.max(matrix, axis=0, where=reached, initial=-np.inf)
    return mean((best - matrix[-1])[_earlier(matrix, own_step)])


def forgetting_first_minus_last(matrix: Matrix, own_step: OwnStep) -> float:
    """Mean over earlier classes of R[own(j), j] - R[last, j]."""
    return -backward_transfer_last_minus_own(matrix, own_step)


def continual_summary(matrix: Matrix, own_step: OwnStep) -> dict[str, float]:
    """Every definition by its name; classes without this metric (all NaN) are left out.

    Transfer and forgetting are absent when no class was learned before the last step; nothing is
    left of a matrix that is all NaN.

    Raises:
        ValueError: shapes do not fit, or a value from a class's own step on is not finite.
    """
    matrix, own_step = _checked(np.asarray(matrix, dtype=np.float64), np.asarray(own_step))
    if not own_step.size:
        return {}
    summary = {
        "final_mean": final_mean(matrix, own_step),
        "on_task_mean": on_task_mean(matrix, own_step),
    }
    if not _earlier(matrix, own_step).any():
        return summary
    return summary | {
        "backward_transfer/last_minus_own": backward_transfer_last_minus_own(matrix, own_step),
        "backward_transfer/mean_over_pairs": backward_transfer_mean_over_pairs(matrix, own_step),
        "forgetting/max_minus_last": forgetting_max_minus_last(matrix, own_step),
        "forgetting/first_minus_last": forgetting_first_minus_last(matrix, own_step),
    }


def _checked(matrix: np.ndarray, own_step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes that have this metric."""
    if matrix.ndim != 2 or own_step.shape != matrix.shape[1:]:
        raise ValueError(
            f"R has shape {matrix.shape} and own_step {own_step.shape}; expected (T, J) and (J,)"
        )
    if own_step.size and not (own_step.min() >= 0 and own_step.max() < len(matrix)):
        raise ValueError(f"own_step {own_step.tolist()} names a step outside 0..{len(matrix) - 1}")
    present = ~np.isnan(matrix).all(axis=0)
    matrix, own_step = matrix[:, present], own_step[present]
    reached = np.arange(len(matrix))[:, None] >= own_step
    missing = np.argwhere(reached & ~np.isfinite(matrix))
    if len(missing):
        step, column = missing[0]
        name = int(np.flatnonzero(present)[column])
        raise ValueError(f"R[{step}, {name}] is not finite, though class {name} is learned by then")
    return matrix, own_step


def _own(matrix: Matrix, own_step: OwnStep) -> Float[np.ndarray, " j"]:
    return matrix[own_step, np.arange(len(own_step))]


def _earlier(matrix: Matrix, own_step: OwnStep) -> np.ndarray:
    return own_step < len(matrix) - 1
