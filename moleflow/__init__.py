"""MoLE-Flow: continual anomaly detection with a normalizing flow and one bank per task."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moleflow.predictor import Prediction, Predictor, Unreadable, load

__all__ = ["Prediction", "Predictor", "Unreadable", "load"]


def __getattr__(name: str) -> Any:
    """`moleflow.load` and its types, on first use: a study must load without torch."""
    if name in __all__:
        return getattr(import_module("moleflow.predictor"), name)
    raise AttributeError(f"module 'moleflow' has no attribute {name!r}")
