"""What settings cost, and which of them nothing else beats."""
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from moleflow.drawing import INK, colour, guides, house_style, shares
from moleflow.metrics.means import mean
from moleflow.wording import counted, grouped
from orchestration.records.ledger import Record
from reports.digits import percent
from reports.document import (
    DASH,
    Cell,
    Figure,
    Line,
    Number,
    Table,
    Value,
    Words,
    computed,
    drawn,
    table,
)
from reports.evidence import Evidence, Setting, keys
from reports.variants import NO_OP, called, no_ops, no_ops_told

GOALS = {"image_auroc": "Image AUROC", "pixel_ap": "Pixel AP"}
COSTS = {"parameters": "Trained parameters", "seconds": "Seconds"}


@dataclass(frozen=True)
class Traded:
    """A setting's means over its finished trials."""

    setting: Setting
    values: dict[str, float | None]
    """Of the metrics in `GOALS`, fractions of 1."""
    parameters: float | None
    """Trained in a sequence, whichever trial trained them."""
    seconds: float
    """Of computing a sequence's stages, whichever trial did."""
    beaten_by: tuple[str, ...] = ()
    """Settings that are as good in all four, and better in one."""
    no_op_of: str = ""
    """The baseline whose numbers it has to the bit, where there is one. It takes no part: what it
    would win by is the clock."""


def traded(evidence: Evidence, settings: Sequence[Setting]) -> list[Traded]:
    """Every setting that has finished trials."""
    idle = {number: called(baseline) for number, baseline in no_ops(evidence).items()}
    found = [
        replace(_traded(evidence, setting), no_op_of=idle.get(setting.number, ""))
        for setting in settings
        if setting.finished
    ]
    return [
        replace(one, beaten_by=tuple(called(o.setting) for o in found if _beats(o, one)))
        for one in found
    ]


def _traded(evidence: Evidence, setting: Setting) -> Traded:
    values: dict[str, float | None] = {}
    for metric in GOALS:
        known = [
            value
            for record in setting.finished
            if (value := evidence.measurements.summary(record.key, metric, "final_mean"))
            is not None
        ]
        values[metric] = mean(known) if known else None
    sizes = [size for record in setting.finished if (size := trained_parameters(record))]
    seconds = [float(sum(r.computing_seconds.values())) for r in setting.finished]
    return Traded(setting, values, mean(map(float, sizes)) if sizes else None, mean(seconds))


def trained_parameters(record: Record) -> int | None:
    """Base and every task's bank, all of one size; a base for each task where they are separate.
    None where the record does not say."""
    known, tasks = record.parameters, len(record.sequence)
    if "base" not in known or "bank" not in known:
        return None
    return known["base"] * (tasks if record.config.separate else 1) + tasks * known["bank"]


def _beats(one: Traded, other: Traded) -> bool:
    """Pareto: in no respect worse, in one better."""
    if one is other or one.no_op_of or other.no_op_of:
        return False
    if one.parameters is None or other.parameters is None:
        return False
    pairs = [(-one.parameters, -other.parameters), (-one.seconds, -other.seconds)]
    for metric in GOALS:
        mine, theirs = one.values[metric], other.values[metric]
        if mine is not None and theirs is not None:
            pairs.append((mine, theirs))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def pareto_table(found: Sequence[Traded]) -> Table:
    """Both metrics and both costs of every setting, and what beats it in all of them."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for one in found:
        source = computed(pareto_table, keys(one.setting.finished))
        texts = [percent(one.values[metric]) for metric in GOALS]
        texts += [DASH if one.parameters is None else grouped(round(one.parameters))]
        texts += [f"{one.seconds:,.1f}"]
        beaten = NO_OP if one.no_op_of else ", ".join(one.beaten_by) or "nothing"
        cells: list[Cell | str] = [Cell(text, source=source) for text in texts]
        name = Cell(called(one.setting), one.setting.also)
        rows.append([name, "" if one.parameters is None else beaten, *cells])
        line: dict[str, Value] = {**one.setting.fields, **one.values}
        line |= {"parameters": one.parameters, "seconds": one.seconds}
        many = None if one.no_op_of else len(one.beaten_by)
        data.append(Line(line | {"beaten_by": many}, source))
    caption = (
        "Means of finished trials: metrics at the end of the sequence in percent, parameters that "
        "a sequence trains, seconds that computing its stages takes. Beaten: another setting is as "
        "good in all four and better in one, whether or not that is more than noise. A no-op has "
        "its baseline’s numbers to the bit and is not compared: by the clock alone it would differ"
    )
    header = ("Setting", "Beaten by", *GOALS.values(), *COSTS.values())
    whole = computed(pareto_table, [k for one in found for k in keys(one.setting.finished)])
    return table("pareto", caption, header, rows, data, whole, 2)


def pareto_figure(found: Sequence[Traded]) -> Figure | None:
    """Each metric against each cost; settings that nothing beats are full dots with names."""
    shown = [one for one in found if one.parameters is not None and not one.no_op_of]
    idle = [called(one.setting) for one in found if one.no_op_of]
    if len(shown) < 2:
        return None
    with house_style():
        canvas = Canvas(figsize=(7.6, 5.2))
        grid = {"wspace": 0.1, "hspace": 0.12}
        axes = canvas.subplots(2, 2, sharex="col", sharey="row", gridspec_kw=grid)
        for i, (metric, title) in enumerate(GOALS.items()):
            for j, (cost, name) in enumerate(COSTS.items()):
                _dots(axes[i][j], shown, metric, cost)
                axes[1][j].set_xlabel(f"{name} of a sequence")
            axes[i][0].set_ylabel(f"{title} [%]")
            for ax in axes[i]:
                shares(ax, "y")
    free = [called(one.setting) for one in shown if not one.beaten_by]
    source = computed(pareto_figure, [k for one in shown for k in keys(one.setting.finished)])
    caption: Words = (
        "Full dots: settings that no other one beats in all four, ",
        Number(f"{len(free)} of {len(shown)}", source),
        f": {', '.join(free)}. Means; noise is not taken into account.",
        f" Not drawn: {no_ops_told(idle)}." if idle else "",
    )
    n = (Number(counted(len(shown), "setting"), source),)
    return drawn(canvas, "pareto", "What is gained for what it costs", "%", n, caption)


def _dots(ax: Axes, shown: Sequence[Traded], metric: str, cost: str) -> None:
    placed = [
        (one, float(x), 100 * value)
        for one in shown
        if (value := one.values[metric]) is not None
        and (x := one.parameters if cost == "parameters" else one.seconds) is not None
    ]
    along = [x for _, x, _ in placed]
    middle = (min(along) + max(along)) / 2 if along else 0.0
    for one, x, y in placed:
        face = "none" if one.beaten_by else colour(0)
        ax.plot([x], [y], "o", ms=5, mfc=face, mec=colour(0))
        if not one.beaten_by:
            right = x > middle  # a name must not run into the panel beside it
            ax.annotate(
                called(one.setting),
                (x, y),
                xytext=(-4 if right else 4, 3),
                textcoords="offset points",
                ha="right" if right else "left",
                fontsize=6.5,
                color=INK,
            )
    guides(ax)
