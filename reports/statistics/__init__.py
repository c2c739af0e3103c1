"""Statistics of plain numbers: what was seen, how sure it is, and what would settle it.

Knows nothing of ledgers or pages. Values are fractions of 1 unless said otherwise; more is better.
"""

from reports.statistics.aggregates import (
    Aggregate,
    Profile,
    interquartile_mean,
    mean,
    performance_profile,
    probability_of_improvement,
    seed_bootstrap,
    stratified_bootstrap,
)
from reports.statistics.contrasts import ALPHA, Contrast, Verdict, adjusted, contrast, holm
from reports.statistics.correlations import Correlation, pearson, spearman
from reports.statistics.doubt import Doubt, doubt
from reports.statistics.images import (
    Auroc,
    Resampled,
    auroc,
    bootstrap_covariance,
    bootstrap_images,
    delong_covariance,
    image_counts,
    newcombe,
    paired,
    weighted_ap,
    weighted_auroc,
)
from reports.statistics.importance import Share, grid_importance, search_importance
from reports.statistics.interactions import (
    Effect,
    Interaction,
    TwoWay,
    holm_interactions,
    interaction,
    two_way,
)
from reports.statistics.pixels import (
    PixelCounts,
    pixel_counts,
    weighted_aupro,
    weighted_pixel_ap,
    weighted_pixel_auroc,
)
from reports.statistics.planning import POWER
from reports.statistics.ranks import Ranks, friedman
from reports.statistics.shares import Component, Decomposition, Observation, decompose
from reports.statistics.spreads import Disparity, Spread, order_disparity, spread
from reports.statistics.summaries import NOISE, SEEDS_FOR_INTERVAL, Summary, summarise

__all__ = [
    "ALPHA",
    "NOISE",
    "POWER",
    "SEEDS_FOR_INTERVAL",
    "Aggregate",
    "Auroc",
    "Component",
    "Contrast",
    "Correlation",
    "Decomposition",
    "Disparity",
    "Doubt",
    "Effect",
    "Interaction",
    "Observation",
    "PixelCounts",
    "Profile",
    "Ranks",
    "Resampled",
    "Share",
    "Spread",
    "Summary",
    "TwoWay",
    "Verdict",
    "adjusted",
    "auroc",
    "bootstrap_covariance",
    "bootstrap_images",
    "contrast",
    "decompose",
    "delong_covariance",
    "doubt",
    "friedman",
    "grid_importance",
    "holm",
    "holm_interactions",
    "image_counts",
    "interaction",
    "interquartile_mean",
    "mean",
    "newcombe",
    "order_disparity",
    "paired",
    "pearson",
    "performance_profile",
    "pixel_counts",
    "probability_of_improvement",
    "search_importance",
    "seed_bootstrap",
    "spearman",
    "spread",
    "stratified_bootstrap",
    "summarise",
    "two_way",
    "weighted_ap",
    "weighted_aupro",
    "weighted_auroc",
    "weighted_pixel_ap",
    "weighted_pixel_auroc",
]
