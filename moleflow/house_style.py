"""How every figure of the house looks: colours, and settings of matplotlib."""

from typing import Any

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.typing import RcKeyType

# Colours that colour-blind readers can tell apart (Okabe and Ito 2008), on light and dark pages.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#808894")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT = "#27313f", "#aab2bd"
"""Text and lines; guide lines."""
SCALE = LinearSegmentedColormap.from_list("scale", ("#f4f7fb", "#9cc3e4", "#2a78b5", "#0b3a66"))
STYLE: dict[RcKeyType, Any] = {
    "svg.hashsalt": "moleflow",
    "svg.fonttype": "path",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
