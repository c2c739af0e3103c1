"""How a search went: what each proposal was measured as, and the best so far."""
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from moleflow.drawing import FAINT, INK, colour, guides, house_style, shares
from moleflow.metrics.catalogue import TITLES
from moleflow.wording import counted
from orchestration.records.objective import metric_of
from orchestration.studies.search import Search
from reports.digits import percent
from reports.document import Figure, Number, Words, computed, drawn
from reports.evidence import keys
from reports.proposals import Proposed, best, finished

UNMEASURED = {"diverged": "x", "failed": "+", "in work": "|"}
"""Markers of proposals without a number, at the lower edge."""


def figure(found: Sequence[Proposed], search: Search) -> Figure | None:
    """A dot per proposal, the best so far as a line; None where none has finished."""
    chosen = best(found)
    if chosen is None:
        return None
    title = TITLES[metric_of(search)]
    with house_style():
        canvas = Canvas(figsize=(6.4, 2.9))
        ax = canvas.subplots()
        _draw(ax, found, chosen)
        by = "on the test set" if search.on_test else "for selection"
        ax.set_ylabel(f"{title} {by} [%]")
        ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    told = f"History of the search: {title} of each proposal {by}"
    source = computed(caption, keys([r for one in finished(found) for r in one.records]))
    n = (Number(count(found), source),)
    return drawn(canvas, "search_history", told, "%", n, caption(found, chosen))


def _draw(ax: Axes, found: Sequence[Proposed], chosen: Proposed) -> None:
    done = finished(found)
    values = [100 * (one.value or 0.0) for one in done]
    so_far = [max(values[: i + 1]) for i in range(len(values))]
    numbers = [one.number for one in done]
    last = max(one.number for one in found)
    ax.step(
        [*numbers, last], [*so_far, so_far[-1]], where="post", color=FAINT, lw=1.6,
        label="best so far",
    )  # fmt: skip
    ax.plot(numbers, values, "o", color=colour(0), ms=5, mew=0, label="finished")
    stopped = [one for one in found if one.outcome == "stopped"]
    if stopped:
        reached = [100 * (one.told.value or 0.0) for one in stopped if one.told is not None]
        ax.plot(
            [one.number for one in stopped], reached, "v", color=colour(4), ms=5, mew=0,
            label="stopped early, as it was then",
        )  # fmt: skip
    for i, (outcome, mark) in enumerate(UNMEASURED.items()):
        of = [one.number for one in found if one.outcome == outcome]
        if of:
            ax.plot(
                of, [0.02] * len(of), mark, color=colour(i + 1), ms=6, clip_on=False,
                transform=ax.get_xaxis_transform(), label=f"{outcome}: no number",
            )  # fmt: skip
    ax.plot(
        chosen.number, 100 * (chosen.value or 0.0), "o", mfc="none", mec=INK, ms=10, mew=1.2,
        label=f"chosen: proposal {chosen.number}",
    )  # fmt: skip
    ax.set_xlabel("Proposal")
    ax.set_xlim(0.5, last + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.margins(y=0.15)
    guides(ax)
    shares(ax, "y")


def count(found: Sequence[Proposed]) -> str:
    """Of proposals by what became of them."""
    n = len(finished(found))
    rest = {o: sum(one.outcome == o for one in found) for o in ("stopped", *UNMEASURED)}
    told = [f"{many} {outcome}" for outcome, many in rest.items() if many]
    return ", ".join([counted(n, "finished proposal"), *told])


def caption(found: Sequence[Proposed], chosen: Proposed) -> Words:
    """When the best came, and what it is better by than the first and the second best."""
    done = finished(found)
    source = computed(caption, keys([r for one in done for r in one.records]))
    later = sum(one.number > chosen.number for one in done)
    words: tuple[str | Number, ...] = (
        "The best came as ",
        Number(f"proposal {chosen.number}", source),
        "; ",
        Number(f"{later} of {len(done)}", source),
        " that finished came later, none of them better. ",
    )
    if len(done) < 2:
        return ("Only ", Number(f"proposal {chosen.number}", source), " has finished. ")
    values = sorted((one.value or 0.0 for one in done), reverse=True)
    return (
        *words,
        "It lies ",
        Number(f"{percent(values[0] - values[1])} points", source),
        " above the second best and ",
        Number(f"{percent(values[0] - values[-1])} points", source),
        " above the worst.",
    )
