"""Statistics of plain numbers: what was seen, how sure it is, and what would settle it.

Knows nothing of ledgers or pages. Values are fractions of 1 unless said otherwise; more is better.
"""

from reports.statistics.contrasts import ALPHA, Contrast, Verdict, adjusted, contrast, holm
from reports.statistics.planning import POWER
from reports.statistics.shares import Component, Decomposition, Observation, decompose
from reports.statistics.spreads import Disparity, Spread, order_disparity, spread
from reports.statistics.summaries import NOISE, SEEDS_FOR_INTERVAL, Summary, summarise

__all__ = [
    "ALPHA",
    "NOISE",
    "POWER",
    "SEEDS_FOR_INTERVAL",
    "Component",
    "Contrast",
    "Decomposition",
    "Disparity",
    "Observation",
    "Spread",
    "Summary",
    "Verdict",
    "adjusted",
    "contrast",
    "decompose",
    "holm",
    "order_disparity",
    "spread",
    "summarise",
]
