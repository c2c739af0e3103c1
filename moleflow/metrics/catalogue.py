"""The metrics: what each is called, what it needs, and how it is computed (docs/method.md, 8.2).

Evaluation, tracking, views and reports read this list and no other: a new metric is a line here.
Imports no torch, so that a report can ask what a name means.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moleflow.metrics.ranking import Detection


@dataclass(frozen=True)
class Metric:
    """A number of one class, or its mean over classes: a share in [0, 1], of which more is better.

    Pages and terminals show it in percent.
    """

    name: str
    """In the ledger, the results table and tracking."""
    title: str
    """For people."""
    compute: "Callable[[Detection], float] | None"
    """None: it is not about scores (the router's accuracy)."""
    needs_masks: bool = False
    headline: bool = False
    """Whether it is among the first that are shown where there is room for few."""
    column: bool = True
    """Whether tables with a column for each metric have one for it."""
    margin: float | None = None
    """Largest difference that does not matter, where a study declares none; reports conclude on the
    metrics that have one."""


METRICS = (
    Metric("image_auroc", "Image AUROC", lambda s: s.image.auroc, headline=True, margin=0.005),
    Metric("image_ap", "Image AP", lambda s: s.image.ap),
    Metric("image_f1_max", "Image F1-max", lambda s: s.image.f1_max, column=False),
    Metric("pixel_auroc", "Pixel AUROC", lambda s: s.pixel.auroc, needs_masks=True, headline=True),
    Metric(
        "pixel_ap",
        "Pixel AP",
        lambda s: s.pixel.ap,
        needs_masks=True,
        headline=True,
        margin=0.01,
    ),
    Metric(
        "pixel_f1_max", "Pixel F1-max", lambda s: s.pixel.f1_max, needs_masks=True, column=False
    ),
    Metric("aupro", "AUPRO", lambda s: s.aupro, needs_masks=True, headline=True),
    Metric("routing_accuracy", "Routing acc.", None),
)
"""In the order in which they are shown."""
TITLES = {metric.name: metric.title for metric in METRICS}
COLUMNS = {metric.name: metric.title for metric in METRICS if metric.column}
PIXELS = tuple(metric.name for metric in METRICS if metric.needs_masks)
HEADLINES = tuple(metric for metric in METRICS if metric.headline)
CONCLUDED = tuple(metric for metric in METRICS if metric.margin is not None)
"""Those that reports conclude on."""
