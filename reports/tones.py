"""Intervals as figures draw them: the darker tone over seeds, the lighter over seeds and test
pictures; those of a share end where shares end, with an arrow where they go on."""
# pyright: reportUnknownMemberType=false

from collections.abc import Iterable, Iterator, Sequence

from matplotlib.axes import Axes

from reports.doubt_columns import Interval

OVER_SEEDS, WITH_PICTURES = 0.25, 0.12
"""How opaque bands are."""
LINES = (1.0, 0.4)
"""How opaque lines are, over seeds and over pictures too."""
ENDS = (0.0, 1.0)
"""Of a share."""


def band(ax: Axes, points: Sequence[tuple[float, Interval]], tone: str, alpha: float) -> None:
    """Between the ends of intervals of shares, in percent, of points that have one."""
    known = [(x, *_cut(ax, x, ends, tone)) for x, ends in points if ends]
    if known:
        places, low, high = zip(*known, strict=True)
        ax.fill_between(places, low, high, color=tone, alpha=alpha, lw=0)


def across(ax: Axes, y: float, seeds: Interval, both: Interval, tone: str, width: float) -> None:
    """Intervals of a difference as lines at this height, in percent."""
    for ends, alpha in _each(seeds, both):
        ax.plot([100 * end for end in ends], [y, y], "-", color=tone, lw=width, alpha=alpha)


def upright(ax: Axes, x: float, seeds: Interval, both: Interval, tone: str, width: float) -> None:
    """Intervals of a share as lines that stand at this place, in percent."""
    for ends, alpha in _each(seeds, both):
        ax.plot([x, x], _cut(ax, x, ends, tone), "-", color=tone, lw=width, alpha=alpha)


def level(ax: Axes, y: float, ends: Interval, tone: str, width: float) -> None:
    """One interval of a share as a line at this height, in percent."""
    if ends:
        low, high = _within(ends)
        for limit in _beyond(ends):
            ax.plot(100 * limit, y, "<>"[limit > 0], color=tone, ms=4, mew=0, clip_on=False)
        ax.plot([low, high], [y, y], "-", color=tone, lw=width)


def _each(seeds: Interval, both: Interval) -> Iterator[tuple[tuple[float, float], float]]:
    """The wider first, so that the other lies on it."""
    for ends, alpha in zip((both, seeds), reversed(LINES), strict=True):
        if ends:
            yield ends, alpha


def _cut(ax: Axes, x: float, ends: tuple[float, float], tone: str) -> tuple[float, float]:
    """In percent, and no further than shares go."""
    for limit in _beyond(ends):
        ax.plot(x, 100 * limit, "v^"[limit > 0], color=tone, ms=4, mew=0, clip_on=False)
    return _within(ends)


def _within(ends: tuple[float, float]) -> tuple[float, float]:
    low, high = (100 * min(max(end, 0.0), 1.0) for end in ends)
    return low, high


def _beyond(ends: tuple[float, float]) -> list[float]:
    """Ends of shares beyond which the interval goes on."""
    return [limit for end, limit in zip(ends, ENDS, strict=True) if end != min(max(end, 0.0), 1.0)]


def told(known: bool, what: str) -> str:
    """What they are over, for a caption.

    Args:
        known: whether pictures are in any of them.
        what: bears the tones, e.g. `line`.
    """
    if known:
        return f"the darker {what} is over seeds, the lighter over seeds and test pictures"
    return "over seeds alone"


def beyond(every: Iterable[Interval]) -> str:
    """What arrows mean, for the end of a caption; empty where none is drawn."""
    cut = any(ends and _beyond(ends) for ends in every)
    said = " An arrow: the interval goes beyond what a share can be; tables have its ends."
    return said if cut else ""
