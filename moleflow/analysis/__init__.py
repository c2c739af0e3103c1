"""Analyses of a finished sequence: each a function that gives tables and a figure.

Source: docs/method.md, 11.
"""

from collections.abc import Callable

from moleflow.analysis.area import area
from moleflow.analysis.cost import cost
from moleflow.analysis.dia_effect import dia_effect
from moleflow.analysis.routing import routing
from moleflow.analysis.shift import shift
from moleflow.analysis.similarity import similarity
from moleflow.analysis.spectrum import spectrum
from moleflow.analysis.subject import Analysis, Subject

__all__ = ["ANALYSES", "Analysis", "Subject"]

ANALYSES: dict[str, Callable[[Subject], Analysis]] = {
    "spectrum": spectrum,
    "similarity": similarity,
    "shift": shift,
    "dia_effect": dia_effect,
    "routing": routing,
    "cost": cost,
    "area": area,
}
