"""Statistics of plain numbers: what was seen, how sure it is, and what would settle it.

Knows nothing of ledgers or pages. Values are fractions of 1 unless said otherwise; more is better.
"""

from moleflow.metrics.summaries import NOISE, SEEDS_FOR_INTERVAL, Observation, Summary, summarise
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
from reports.statistics.block_designs import Blocks, blocks
from reports.statistics.choices import (
    Best,
    best,
    best_over_images,
    seeds_to_settle,
    seeds_to_settle_over_images,
    seeds_to_settle_range,
)
from reports.statistics.components import (
    IMAGES,
    RESIDUAL,
    VarianceComponent,
    VarianceComponents,
    variance_components,
    with_images,
)
from reports.statistics.contrasts import ALPHA, MARGINS, Contrast, Verdict, adjusted, contrast, holm
from reports.statistics.correlations import Correlation, pearson, spearman
from reports.statistics.doubts import Doubt, between_groups, doubt
from reports.statistics.equivalences import (
    Equivalence,
    GroupsVerdict,
    equivalence,
    upper_over_images,
)
from reports.statistics.image_metrics import (
    Auroc,
    Resampled,
    auroc,
    auroc_value,
    bootstrap_covariance,
    bootstrap_images,
    delong_covariance,
    image_counts,
    newcombe,
    paired,
    weighted_ap,
    weighted_auroc,
)
from reports.statistics.importance import (
    Share,
    grid_importance,
    search_chances,
    search_importance,
)
from reports.statistics.interactions import (
    Effect,
    Interaction,
    TwoWay,
    holm_interactions,
    interaction,
    two_way,
)
from reports.statistics.over_images import (
    DRAWN,
    ESTIMATES,
    ClassImages,
    ImagesAlone,
    OverImages,
    images_alone,
)
from reports.statistics.pixels import (
    PixelCounts,
    pixel_counts,
    weighted_aupro,
    weighted_pixel_ap,
    weighted_pixel_auroc,
)
from reports.statistics.range_distributions import dunnett, studentized_range
from reports.statistics.ranks import Ranks, friedman
from reports.statistics.seeds_needed import MOST_SEEDS, POWER, Needed
from reports.statistics.shares import Component, Decomposition, decompose
from reports.statistics.simultaneous import Simultaneous, against, effects, pairwise
from reports.statistics.spreads import Disparity, Spread, order_disparity, spread

__all__ = [
    "ALPHA",
    "DRAWN",
    "ESTIMATES",
    "IMAGES",
    "MARGINS",
    "MOST_SEEDS",
    "NOISE",
    "POWER",
    "RESIDUAL",
    "SEEDS_FOR_INTERVAL",
    "Aggregate",
    "Auroc",
    "Best",
    "Blocks",
    "ClassImages",
    "Component",
    "Contrast",
    "Correlation",
    "Decomposition",
    "Disparity",
    "Doubt",
    "Effect",
    "Equivalence",
    "GroupsVerdict",
    "ImagesAlone",
    "Interaction",
    "Needed",
    "Observation",
    "OverImages",
    "PixelCounts",
    "Profile",
    "Ranks",
    "Resampled",
    "Share",
    "Simultaneous",
    "Spread",
    "Summary",
    "TwoWay",
    "VarianceComponent",
    "VarianceComponents",
    "Verdict",
    "adjusted",
    "against",
    "auroc",
    "auroc_value",
    "best",
    "best_over_images",
    "between_groups",
    "blocks",
    "bootstrap_covariance",
    "bootstrap_images",
    "contrast",
    "decompose",
    "delong_covariance",
    "doubt",
    "dunnett",
    "effects",
    "equivalence",
    "friedman",
    "grid_importance",
    "holm",
    "holm_interactions",
    "image_counts",
    "images_alone",
    "interaction",
    "interquartile_mean",
    "mean",
    "newcombe",
    "order_disparity",
    "paired",
    "pairwise",
    "pearson",
    "performance_profile",
    "pixel_counts",
    "probability_of_improvement",
    "search_chances",
    "search_importance",
    "seed_bootstrap",
    "seeds_to_settle",
    "seeds_to_settle_over_images",
    "seeds_to_settle_range",
    "spearman",
    "spread",
    "stratified_bootstrap",
    "studentized_range",
    "summarise",
    "two_way",
    "upper_over_images",
    "variance_components",
    "weighted_ap",
    "weighted_aupro",
    "weighted_auroc",
    "weighted_pixel_ap",
    "weighted_pixel_auroc",
    "with_images",
]
