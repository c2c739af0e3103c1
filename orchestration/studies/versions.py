"""One version for each kind of result, with the reason of every raise: part of keys of results.

Whatever gives other numbers for the same settings raises the version of the first kind that
changes, by one more reason at the end of its list; kinds that are made from it follow by their
keys. So a mended metric has metrics computed anew, and nothing trained (docs/results.md).
"""

from typing import Literal

from moleflow.config import Config

ROOT_FORMAT = 4
"""Raised whenever what lies below a root folder changes its form, or keys are made otherwise."""

Result = Literal["features", "training", "scores", "metrics", "trial"]

REASONS: dict[Result, tuple[str, ...]] = {
    # From pictures to patch vectors and their means.
    "features": ("as of root format 4",),
    # From features to a base and banks.
    "training": ("as of root format 4",),
    # From features and banks to log-likelihoods of test patches.
    "scores": ("as of root format 4",),
    # From log-likelihoods to scores of patches and pictures, anomaly maps, and a class's metrics.
    "metrics": (
        "as of root format 4",
        "masks: of any compressed with loss, not of bright JPEGs alone, what is above half of its "
        "highest value counts; of those that number their defects, all above 0",
    ),
    # Routing, and what is made of a trial's metrics: means over classes, transfer, forgetting.
    "trial": ("as of root format 4",),
}


SELECTION_VERSION = 1
"""Raised with what a selection score is measured on, or how; trials without one do not know it."""


def version_of(kind: Result) -> int:
    """From 1."""
    return len(REASONS[kind])


def result_versions(config: Config | None = None) -> dict[str, int]:
    """Of every kind of result that a trial has, as of now."""
    known: dict[str, int] = {kind: version_of(kind) for kind in REASONS}
    if config is not None and config.data.held_out:
        known["selection"] = SELECTION_VERSION
    return known


def raises_since(known: dict[str, int]) -> list[str]:
    """What has changed since results were of these versions, a phrase for each raise."""
    return [
        f"{kind} {number}: {reason}"
        for kind, reasons in REASONS.items()
        for number, reason in enumerate(reasons, start=1)
        if number > known.get(kind, 0)
    ]
