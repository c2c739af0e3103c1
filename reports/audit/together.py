"""The second way to what other test pictures would do to several means at once, and to which of
them is the best then."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from reports.audit.best import NEARLY, chances_on_pictures, near, settles
from reports.audit.distributions import normal_quantile
from reports.audit.kept_scores import kept
from reports.audit.over_pictures import METRICS, covariance, measured, sizes_of, told, why
from reports.audit.records import Records, Trial
from reports.audit.second_way import Line, Numbers
from reports.audit.tests import LEVEL, Layout, ends_of_noise

TO_SETTLE = tuple(f"seeds_to_settle_both{end}" for end in ("", "_low", "_high"))


@dataclass(frozen=True)
class Several:
    """Means that pictures move at once."""

    layout: Layout
    covariance: np.ndarray
    left_out: int
    known: dict[str, object]
    """Chances by number of seeds: they are asked for once a line."""

    def chances(self, seeds: int, noise: float = 1.0) -> list[float]:
        name = f"chances of {seeds} seeds, {noise} of the noise"
        if name not in self.known:
            found = chances_on_pictures(self.layout, self.covariance, seeds, noise)
            self.known[name] = found
        return self.known[name]  # pyright: ignore[reportReturnType]

    def upper(self, spread: float, over_seeds: float) -> float:
        """Bound of the largest difference, with what pictures may do to it at most."""
        own = np.diag(self.covariance)
        most = max(0.0, float((own[:, None] + own - 2 * self.covariance).max()))
        half = math.sqrt((over_seeds - spread) ** 2 + normal_quantile(1 - LEVEL) ** 2 * most)
        return spread + half


def several(line: Line, layout: Layout, used: Sequence[Trial]) -> Several | str:
    """Of tasks 0. In words why there is none."""
    known, metric = line.records.known, line.cells["metric"]
    name = f"several {metric} {' '.join(trial.key for trial in used)}"
    if name not in known:
        known[name] = _several(line.records, layout, used, metric)
    return known[name]


def _several(records: Records, layout: Layout, used: Sequence[Trial], metric: str) -> Several | str:
    have = kept(records)
    lacking = {trial.seed for trial in used if not told(records, trial, metric)}
    own = [trial for trial in used if trial.seed not in lacking]
    if not own:
        return why(records, used)
    classes, seeds = measured(own[0], metric), sorted({trial.seed for trial in own})
    if any(measured(trial, metric) != classes for trial in own):
        return "not all trials have it of the same classes"
    sizes = {name: sizes_of(have[own[0].key][name]) for name in classes}
    few = [name for name in classes if min(sizes[name]) < 2]
    if few:
        return f"fewer than two test pictures of a kind: {', '.join(few)}"
    terms: list[list[tuple[Trial, float]]] = []
    for first in layout.names:
        for seed in seeds:
            of = [trial for trial in own if (trial.task0, trial.seed) == (first, seed)]
            terms.append([(trial, 1 / len(of)) for trial in of])
    total = np.zeros((len(layout.names), len(layout.names)))
    for name in classes:
        total += _between(np.array(covariance(have, terms, metric, name, sizes[name])), len(seeds))
    whole = total / len(classes) ** 2
    return Several(layout, whole, len(used) - len(own), {})


def _between(of: np.ndarray, seeds: int) -> np.ndarray:
    """Mean covariance of two seeds, of each two groups; of one seed its own."""
    groups = range(len(of) // seeds)
    apart = ~np.eye(seeds, dtype=bool) if seeds > 1 else np.ones((1, 1), dtype=bool)

    def block(i: int, j: int) -> np.ndarray:
        return of[i * seeds : (i + 1) * seeds, j * seeds : (j + 1) * seeds]

    return np.array([[block(i, j)[apart].mean() for j in groups] for i in groups])


def chance(line: Line, layout: Layout, used: Sequence[Trial]) -> Numbers:
    """Of one task 0, to be the best on other pictures too."""
    if line.cells["metric"] not in METRICS:
        return {}
    found = several(line, layout, used)
    if isinstance(found, str):
        return {"probability_best_both": None}
    own = found.chances(layout.seeds)[layout.names.index(line.cells["task0"])]
    return {"probability_best_both": near(line.cells["probability_best_both"], own)}


def verdict(line: Line, layout: Layout, used: Sequence[Trial], of_seeds: Numbers) -> Numbers:
    """What is said of all tasks 0 together, on other pictures too."""
    names = ("upper_both", "leader_both", "probability_best_both", *TO_SETTLE)
    nothing: Numbers = {**dict.fromkeys(names), "trials_left_out": None, "why_not": ""}
    if line.cells["metric"] not in METRICS:
        return nothing
    found = several(line, layout, used)
    if isinstance(found, str):
        return nothing | {"why_not": found}
    spread, upper = (float(of_seeds[name] or 0.0) for name in ("range", "upper"))
    return {
        "upper_both": found.upper(spread, upper),
        "trials_left_out": found.left_out,
        "why_not": "",
        **_best(found, line.cells),
    }


def _best(found: Several, cells: Mapping[str, str]) -> Numbers:
    chances = dict(zip(found.layout.names, found.chances(found.layout.seeds), strict=True))
    leader, said = max(chances, key=lambda name: chances[name]), cells["leader_both"]
    if chances.get(said, -1.0) > chances[leader] - NEARLY:
        leader = said
    numbers: Numbers = {"leader_both": leader}
    numbers |= {"probability_best_both": near(cells["probability_best_both"], chances[leader])}
    for column, end in zip(TO_SETTLE, (1.0, *ends_of_noise(found.layout.df)), strict=True):
        fits = settles(found.layout.seeds, cells[column], partial(found.chances, noise=end))
        numbers[column] = (cells[column] or None) if fits else "(another number)"
    return numbers
