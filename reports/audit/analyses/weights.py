"""The second way to what analyses say of trained weights: spectra of updates, their likeness, and
whether far tasks need larger ones; from singular values, and chance levels drawn again."""

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from moleflow.streams import numpy_stream
from reports.audit.analyses.analysed import (
    LINES,
    Analysed,
    Says,
    Should,
    Table,
    column_of,
    grouped,
    numbers,
    whole,
)
from reports.audit.correlations import SPEARMAN, coefficient, ranked
from reports.audit.samples import mean, sd

SHARES = (90, 95, 99)
LAYER = ("task", "block", "slot")
PAIR = ("task_a", "task_b", "side")
DRAWS = 20
ROUNDING = 1e-10
"""Of the largest singular value: a smaller one has no direction."""
SHIFTS = ("frechet_distance", "mean_distance", "covariance_distance")
SIZES = ("update_norm", "dia_parameter_change", "dia_displacement")
CALLED = ("‖ΔW‖", "change of the DIA's parameters", "mean ‖z after − z before DIA‖")
NOTHING = "There is no task after the first with an adaptation to measure."


def spectrum(of: Analysed) -> Iterator[Should]:
    """Of every update from its singular values, and of tasks from their updates."""
    layers, values = of.tables["spectrum_layers"], of.tables["spectrum_singular_values"]
    found = {
        key: numbers(lines, "singular_value") for key, lines in grouped(values, *LAYER).items()
    }
    rank = 0 if of.config["lora"] == "off" else of.config["lora"]["rank"]
    limits = [min(whole(line["rows"]), whole(line["columns"]), rank) for line in layers]
    yield from column_of("spectrum_layers", "rank_limit", limits)
    yield Should("spectrum_singular_values", 0, LINES, sum(limits))
    for i, line in enumerate(layers):
        singular = found.get(tuple(line[name] for name in LAYER), [])
        for share in SHARES:
            name = f"effective_rank_{share}"
            yield Should("spectrum_layers", i, name, directions(singular, share))
        size = math.hypot(*singular)
        yield Should("spectrum_layers", i, "energy_at_rank [share]", 1.0 if size else None)
        yield Should("spectrum_layers", i, "update_norm", size)
        random = _random_update(whole(line["rows"]), rank, whole(line["columns"]))
        yield Should("spectrum_layers", i, "random_effective_rank_95", random)
    yield from _by_task(of, layers)
    yield from _pairs(of)


def _by_task(of: Analysed, layers: Table) -> Iterator[Should]:
    tasks = grouped(layers, "task")
    yield from column_of("spectrum", "task", of.tasks if layers else ())
    for i, lines in enumerate(tasks.values()):
        yield Should("spectrum", i, "layers", len(lines))
        yield Should("spectrum", i, "rank_limit", max(numbers(lines, "rank_limit")))
        random = mean(numbers(lines, "random_effective_rank_95"))
        yield Should("spectrum", i, "mean_random_effective_rank_95", random)
        for name in (
            *(f"effective_rank_{share}" for share in SHARES),
            *("energy_at_rank [share]", "relative_norm [share]"),
        ):
            known = numbers(lines, name)
            yield Should("spectrum", i, f"mean_{name}", mean(known))
            yield Should("spectrum", i, f"sd_{name}", sd(known))
        yield Should("spectrum", i, "update_norm", math.hypot(*numbers(lines, "update_norm")))


def _pairs(of: Analysed) -> Iterator[Should]:
    """Chance alone: the rest was asked of the weights."""
    for i, line in enumerate(of.tables["spectrum_pairs"]):
        random = _random_matrix(whole(line["rows"]), whole(line["columns"]))
        yield Should("spectrum_pairs", i, "random_effective_rank_95", random)


def directions(singular: Sequence[float], share: int) -> int | None:
    """Fewest that leave no more than the rest of the energy; the smallest are dropped first."""
    squares = sorted(value**2 for value in singular)
    every, dropped = math.fsum(squares), 0.0
    if every == 0:
        return None
    for place, square in enumerate(squares):
        dropped += square
        if dropped / every > 1 - share / 100 + 1e-12:
            return len(squares) - place
    return 0


@cache
def _random_update(rows: int, rank: int, columns: int) -> int | None:
    """Of the product of two Gaussian factors, through a matrix of the rank's size."""
    draws = numpy_stream("analysis", "spectrum", rows, rank, columns)
    up, down = draws.standard_normal((rows, rank)), draws.standard_normal((rank, columns))
    squares: Any = np.linalg.eigvals((up.T @ up) @ (down @ down.T))
    return directions([math.sqrt(max(0.0, value)) for value in squares.real.tolist()], 95)


@cache
def _random_matrix(rows: int, columns: int) -> int | None:
    drawn = numpy_stream("analysis", "spectrum", rows, columns).standard_normal((rows, columns))
    squares: Any = np.linalg.eigvalsh(drawn @ drawn.T if rows < columns else drawn.T @ drawn)
    return directions([math.sqrt(max(0.0, value)) for value in squares.tolist()], 95)


def spectrum_says(of: Analysed) -> Says:
    layers, pairs = of.tables["spectrum_layers"], of.tables["spectrum_pairs"]
    if not layers and not pairs:
        return Says("This trial has neither low-rank updates nor separate flows.")
    if not layers:
        told = "Flows of two tasks differ in {} directions at 95 % of the energy (mean)."
        return Says(told, _means(pairs, "effective_rank_95"))
    return Says(
        "95 % of the energy of an update lies in {} of {} directions on average; random updates "
        "of the same shapes need {}.",
        _means(layers, "effective_rank_95", "rank_limit", "random_effective_rank_95"),
    )


def _means(lines: Table, *columns: str) -> list[float]:
    return [value for name in columns if (value := mean(numbers(lines, name))) is not None]


def similarity(of: Analysed) -> Iterator[Should]:
    """Means over layers, and chance levels of subspaces as large as those of the updates."""
    layers = of.tables["similarity_layers"]
    measures = [*layers[0]][6:] if layers else []
    pairs = grouped(layers, *PAIR)
    yield from column_of("similarity", "layers", [len(lines) for lines in pairs.values()])
    for i, (pair, lines) in enumerate(pairs.items()):
        for name, text in zip(PAIR, pair, strict=True):
            yield Should("similarity", i, name, text)
        for name in measures:
            yield Should("similarity", i, name, mean(numbers(lines, name)))
    if of.config["lora"] != "off":
        several = [*itertools.combinations(of.tasks, 2)] if layers else []
        each = len(grouped(layers, "block", "slot")) * 2
        yield Should("similarity_layers", 0, LINES, len(several) * each)
    if "spectrum_singular_values" in of.tables:
        yield from _chance(of, layers)


def _chance(of: Analysed, layers: Table) -> Iterator[Should]:
    """Of unrelated subspaces; how large they are follows from the singular values."""
    values = grouped(of.tables["spectrum_singular_values"], *LAYER)
    for i, line in enumerate(layers):
        keys = [(line[task], line["block"], line["slot"]) for task in PAIR[:2]]
        both = [numbers(values.get(key, []), "singular_value") for key in keys]
        if not line["dimensions"] or not all(map(any, both)):
            continue
        n = whole(line["dimensions"])
        p, q = (sum(v > ROUNDING * max(one) for v in one) for one in both)
        leading = max(directions(one, 95) or 0 for one in both)
        yield Should("similarity_layers", i, "chance_overlap", max(p, q) / n)
        yield Should("similarity_layers", i, "chance_dominant_overlap", leading / n)
        angle = _random_angle(n, p, q)
        yield Should("similarity_layers", i, "chance_smallest_angle [deg]", angle)


@cache
def _random_angle(n: int, p: int, q: int) -> float:
    """Mean smallest angle of p random directions with q axes, in degrees: the least share that a
    combination of the p has outside of the q."""
    draws = numpy_stream("analysis", "similarity", n, p)
    angles: list[float] = []
    for _ in range(DRAWS):
        drawn = draws.standard_normal((n, p))
        root: Any = np.linalg.inv(np.linalg.cholesky(drawn.T @ drawn))
        outside: Any = np.linalg.eigvalsh(root @ (drawn[q:].T @ drawn[q:]) @ root.T)
        least = min(1.0, max(0.0, float(outside[0])))
        angles.append(math.degrees(math.asin(math.sqrt(least))))
    return math.fsum(angles) / DRAWS if p + q <= n else 0.0


def similarity_says(of: Analysed) -> Says:
    sides = grouped(of.tables["similarity"], "side")
    if not sides:
        return Says("There are no two tasks with low-rank updates to compare.")
    told = [f"CKA of {side} directions is {{}} on average, by chance {{}}" for (side,) in sides]
    values = [value for lines in sides.values() for value in _means(lines, "cka", "chance_cka")]
    return Says("; ".join(told) + ".", values)


def shift(of: Analysed) -> Iterator[Should]:
    """Distances that are roots, sizes that other tables have, and correlations."""
    table = of.tables["shift"]
    yield from column_of("shift", "task", of.tasks)
    for name in ("frechet_squared", *SHIFTS):
        yield Should("shift", 0, name, 0.0)
    updates = grouped(of.tables.get("spectrum_layers", []), "task")
    for i, line in enumerate(table):
        root = math.sqrt(float(line["frechet_squared"]))
        yield Should("shift", i, "frechet_distance", root)
        first = float(table[0]["patches"]) / float(table[0]["training_images"])
        yield Should("shift", i, "patches", first * float(line["training_images"]))
        if of.config["data"]["fraction"] == 1 and of.config["data"]["held_out"] == 0:
            images = of.pictures(line["task"], "train")
            yield Should("shift", i, "training_images", images)
        if own := updates.get((line["task"],)):
            yield Should("shift", i, "update_norm", math.hypot(*numbers(own, "update_norm")))
    lines = itertools.product(SHIFTS, SIZES, ("pearson", SPEARMAN))
    for i, (x, y, kind) in enumerate(lines):
        named = {"shift": x, "adaptation": y, "coefficient": kind}
        yield from correlation("shift_correlations", i, table[1:], named, (x, y))
    yield Should("shift_correlations", 0, LINES, len(SHIFTS) * len(SIZES) * 2)


def correlation(
    table: str, line: int, of: Table, named: dict[str, str], columns: tuple[str, str]
) -> Iterator[Should]:
    """A line of a table of correlations, of what two columns of another one have.

    Args:
        named: what the line says that it is of.
    """
    both = [tuple(float(one[name]) for name in columns) for one in of if all(map(one.get, columns))]
    x, y = [a for a, _ in both], [b for _, b in both]
    kind = named["coefficient"]
    found: tuple[float | None, ...] = (None, None, None)
    if len(both) > 2:
        found = coefficient(*((ranked(x), ranked(y)) if kind == SPEARMAN else (x, y)), kind)
    for name, value in (
        *named.items(),
        *zip(("n", "value", "low_95", "high_95"), (len(both), *found), strict=True),
    ):
        yield Should(table, line, name, value)


def shift_says(of: Analysed) -> Says:
    table = of.tables["shift"]
    measured = [i for i, size in enumerate(SIZES) if numbers(table, size)]
    if not measured or len(table) < 2:
        return Says(NOTHING)
    told, values = list[str](), list[float]()
    for i in measured:
        line = of.tables["shift_correlations"][2 * i + 1]
        text, found = _told(line)
        told.append(f"{CALLED[i]}: {text}")
        values += found
    said = "Distance to task 0 against the size of the adaptation. " + "; ".join(told) + "."
    return Says(said, values)


def _told(line: dict[str, str]) -> tuple[str, list[float]]:
    n = float(line["n"])
    if not line["value"]:
        return "Spearman’s ρ: not defined for n = {}", [n]
    if not line["low_95"]:
        return "Spearman’s ρ {}, no interval (n = {})", [float(line["value"]), n]
    ends = [float(line[name]) for name in ("value", "low_95", "high_95")]
    return "Spearman’s ρ {} [{}, {}], n = {}", [*ends, n]
