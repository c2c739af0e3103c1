"""How many variants stand to each other: their ranks, and profiles of their runs."""
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from moleflow.drawing import INK, colour, dashes, guides, house_style, named_rows
from moleflow.wording import counted
from reports.document import Figure, Number, Words, computed, drawn
from reports.ranking import Together
from reports.statistics import performance_profile
from reports.variants import own_name

MOST_LINES = 7
"""Settings that the profiles' figure has colours for."""
STEPS = 101
"""Thresholds of a profile."""
RUNS = (
    "Of a setting’s runs, one for each class and seed, the share above a value: a line that lies "
    "above another everywhere is better in every part of its runs. The band is the baseline’s "
    "95 %, seeds drawn anew, point by point."
)


def ranks(found: Together) -> Figure:
    """A dot per setting at its average rank; bars join what is not told apart."""
    order = sorted(range(len(found.settings)), key=lambda i: (found.ranks.average[i], i))
    with house_style():
        canvas = Canvas(figsize=(4.6, 0.8 + 0.26 * len(order)))
        _ranks(canvas.subplots(), found, order)
    caption: Words = (
        f"1 is best, which {own_name(found.settings[order[0]])} comes nearest to; the baseline is "
        "orange. A bar at the right joins settings that are not told apart: their ranks differ by "
        "no more than ",
        Number(f"{found.ranks.critical_difference:.2f}", computed(ranks, found.trials)),
        ".",
    )
    title = f"{found.metric.title}: average ranks over classes"
    return drawn(canvas, f"ranks-{found.metric.name}", title, "rank", _n(found), caption)


def _ranks(ax: Axes, found: Together, order: Sequence[int]) -> None:
    row = {i: y for y, i in enumerate(order)}
    for i in order:
        ax.plot([found.ranks.average[i]], [row[i]], "o", color=colour(1 if i == 0 else 0), ms=5)
    right = len(order) + 0.25
    for place, alike in enumerate(found.ranks.alike):
        rows = [row[i] for i in alike]
        at = right + 0.3 * place
        ax.plot([at, at], [min(rows) - 0.2, max(rows) + 0.2], "-", color=INK, lw=2)
    named_rows(ax, [own_name(found.settings[i]) for i in order])
    ax.set_xlim(0.8, right + 0.3 * len(found.ranks.alike))
    ax.set_xticks(range(1, len(order) + 1))
    ax.set_xlabel(f"Average rank in {found.metric.title}")


def profiles(found: Together) -> Figure:
    """Share of runs above each threshold."""
    shown = _profiled(found)
    every = np.concatenate([one.ravel() for one in found.values])
    thresholds = np.linspace(float(every.min()), float(every.max()), STEPS)
    with house_style():
        canvas = Canvas(figsize=(4.6, 2.8))
        ax = canvas.subplots()
        for place, i in enumerate(shown):
            _profile(ax, found, i, place, thresholds)
        guides(ax)
        ax.set_ylim(-0.02, 1.02)
        ax.set_xlabel(f"{found.metric.title} above [%]")
        ax.set_ylabel("Share of runs")
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02))
    left_out = len(found.settings) - len(shown)
    caption: Words = RUNS
    if left_out:
        many = Number(counted(left_out, "setting"), computed(profiles, found.trials))
        caption = (
            RUNS,
            f" Left out {'is' if left_out == 1 else 'are'} ",
            many,
            " in the middle by interquartile mean.",
        )
    title = f"{found.metric.title}: profiles of runs"
    return drawn(canvas, f"profiles-{found.metric.name}", title, "%", _n(found), caption)


def _profile(
    ax: Axes, found: Together, i: int, place: int, thresholds: Float[np.ndarray, " q"]
) -> None:
    profile = performance_profile(found.values[i], thresholds, found.metric.name)
    name = own_name(found.settings[i])
    ax.plot(100 * thresholds, profile.share, dashes(place), color=colour(place), lw=1.4, label=name)
    if i == 0:
        ax.fill_between(
            100 * thresholds, profile.low, profile.high, color=colour(place), alpha=0.15, lw=0
        )


def _profiled(found: Together) -> list[int]:
    """The baseline, and those with the largest and smallest interquartile means."""
    others = range(1, len(found.settings))
    if len(found.settings) <= MOST_LINES:
        return [0, *others]
    ordered = sorted(others, key=lambda i: found.middles[i].value)
    half = (MOST_LINES - 1) // 2
    return [0, *sorted([*ordered[:half], *ordered[-half:]])]


def _n(found: Together) -> Words:
    return found.n(" × ", "")
