"""The one drawing kit: colours, style, heat maps and files of every figure.

Nothing of the user's matplotlib settings goes in, nothing of ours stays.
"""

import io
import math
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter
from matplotlib.typing import RcKeyType

# Colours that colour-blind readers can tell apart (Okabe and Ito 2008), on light and dark pages.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#808894")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT = "#27313f", "#aab2bd"
"""Text and lines; guide lines."""
SCALE = LinearSegmentedColormap.from_list("scale", ("#f4f7fb", "#9cc3e4", "#2a78b5", "#0b3a66"))
DASHES = ("-", "--", ":", "-.")
TWO_SIDED = LinearSegmentedColormap.from_list(
    "two_sided", ("#8a3b00", "#e69f6a", "#f7f7f7", "#7fb3dc", "#0b3a66")
)
STYLE: dict[RcKeyType, Any] = {
    "svg.hashsalt": "moleflow",
    "svg.fonttype": "path",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.formatter.useoffset": False,
    "axes.titlelocation": "left",
    "axes.unicode_minus": True,
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
    "legend.frameon": False,
    "legend.fontsize": 8,
}


@contextmanager
def house_style() -> Generator[None, None, None]:
    """matplotlib's defaults and our style on top, whatever the user's; restored after."""
    with mpl.rc_context(), warnings.catch_warnings():
        # Not the backend, which rc_context would not bring back.
        known: dict[Any, Any] = {k: v for k, v in mpl.rcParamsDefault.items() if k != "backend"}
        mpl.rcParams.update(known)
        mpl.rcParams.update(STYLE)
        # A class name may hold letters that the font lacks; the tables show them.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        yield


def canvas(width: float, height: float) -> Figure:
    """An empty figure, in inches, that keeps its texts apart."""
    engine = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, wspace=0.04, hspace=0.04)
    return Figure(figsize=(width, height), layout=engine)


def to_png(figure: Figure) -> bytes:
    """The figure as PNG; the same numbers give the same bytes."""
    file = io.BytesIO()
    with house_style():
        figure.savefig(
            file,
            format="png",
            dpi=160,
            bbox_inches="tight",
            facecolor="white",
            metadata={"Software": None},
        )
    return file.getvalue()


def to_svg(figure: Figure) -> str:
    """The figure as SVG with letters as paths and no ground; the same numbers give the same."""
    file = io.StringIO()
    empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with house_style():
        figure.savefig(
            file, format="svg", dpi=160, bbox_inches="tight", transparent=True, metadata=empty
        )
    return file.getvalue()


def colour(i: int) -> str:
    """Colour of the i-th task."""
    return PALETTE[i % len(PALETTE)]


def marker(i: int) -> str:
    """Marker of the i-th task: tasks of one colour differ in it."""
    return MARKERS[i // len(PALETTE) % len(MARKERS)]


def dashes(i: int) -> str:
    """Line style of the i-th task: tasks of one colour differ in it."""
    return DASHES[i // len(PALETTE) % len(DASHES)]


def name_legend(figure: Figure, names: Sequence[str], lines: bool = False) -> None:
    """Colour and marker (or line) of every task, right of the axes."""
    handles = [
        Line2D([], [], color=colour(i), ls=dashes(i), lw=1.4, label=name)
        if lines
        else Line2D([], [], color=colour(i), marker=marker(i), ls="", ms=5, mew=0, label=name)
        for i, name in enumerate(names)
    ]
    figure.legend(handles=handles, loc="outside right upper")


def guides(ax: Axes) -> None:
    """Faint lines at the ticks, behind everything."""
    ax.grid(color=FAINT, lw=0.4)
    ax.set_axisbelow(True)


def shares(ax: Axes, along: Literal["x", "y"]) -> None:
    """An axis of percentages ends at 0 and at 100, with room beyond for a dot that lies there."""
    low, high = ax.get_xlim() if along == "x" else ax.get_ylim()
    ends = max(low, 0.0), min(high, 100.0)
    if ends == (low, high):
        return
    axis, spine, limit = (
        (ax.xaxis, "bottom", ax.set_xlim) if along == "x" else (ax.yaxis, "left", ax.set_ylim)
    )
    axis.set_ticks([tick for tick in axis.get_majorticklocs() if ends[0] <= tick <= ends[1]])
    room = 0.03 * (ends[1] - ends[0])
    limit(ends[0] - room * (low < 0), ends[1] + room * (high > 100))
    ax.spines[spine].set_bounds(*ends)


def log_x(ax: Axes) -> None:
    """A logarithmic x axis with short numbers at the powers of ten."""
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _power(value: float) -> str:
    """10⁵, but 0.01, 1 and 100."""
    exponent = round(math.log10(value))
    if -3 <= exponent <= 3:
        return f"{value:g}"
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def heat_map(
    ax: Axes,
    values: np.ndarray,
    texts: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    limits: tuple[float, float],
    scale: Colormap = SCALE,
    fontsize: float = 6.5,
) -> None:
    """Cells with texts; NaN stays empty."""
    low, high = limits
    ax.imshow(np.ma.masked_invalid(values), cmap=scale, vmin=low, vmax=high, aspect="auto")
    for (i, j), text in np.ndenumerate(texts):
        if not np.isfinite(values[i, j]):
            continue
        red, green, blue, _ = scale((values[i, j] - low) / (high - low))
        light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.55
        ink = "#1b2430" if light else "#ffffff"
        cell = ax.text(j, i, text, ha="center", va="center", fontsize=fontsize, color=ink)
        cell.set_in_layout(False)  # inside of the axes: the figure's edges are elsewhere
    ax.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def side(cells: int) -> float:
    """Inches that so many cells of a heat map want."""
    return max(1.4, 0.36 * cells)


def two_digits(values: np.ndarray) -> np.ndarray:
    """Texts of numbers between -1 and 1, without the leading zero."""
    texts = [f"{v:.2f}".replace("0.", ".", 1).replace("-", "−") for v in values.ravel()]
    return np.array(texts).reshape(values.shape)


def named_rows(ax: Axes, names: Sequence[str]) -> None:
    """A line for every name, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=FAINT, lw=0.4)
    ax.set_axisbelow(True)


def nothing_to_draw(reason: str) -> Figure:
    """A figure that says why there is none."""
    with house_style():
        figure = canvas(5.0, 0.6)
        figure.text(0.5, 0.5, reason, ha="center", va="center")
    return figure
