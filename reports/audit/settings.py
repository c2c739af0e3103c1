"""Tables of settings side by side, recomputed from plain records."""

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from moleflow.wording import counted, from_fewest
from reports.audit.pictures import columns
from reports.audit.records import NOT_SETTINGS, Records, Trial, finished
from reports.audit.second_way import Expected, Line, Numbers, by_seed, described, interval
from reports.audit.words import Allowed, without

NOT_AXES = (*NOT_SETTINGS, "part")


def over_seeds(line: Line) -> Expected:
    """Of one setting: a mean over orders for each seed that has them all."""
    trials = finished(line.records.labelled[line.cells["setting"]])
    means, used = by_seed(trials, line.measured(trials))
    numbers: Numbers = {**described(means), **interval(means)}
    numbers |= {"trials": f"{len(trials)} of {len(line.records.labelled[line.cells['setting']])}"}
    if line.cells["definition"] == "final_mean":
        numbers |= columns(line, [(1, [trial for trial in trials if trial.key in used])])
    return Expected(numbers, frozenset(used))


def importance(line: Line) -> Expected:
    """Variance of the marginal means of some axes, less what their subsets explain."""
    grid = _grid(line)
    names = list(dict.fromkeys(name for place in grid for name, _ in place))
    chosen = tuple(line.cells["axes"].split(" x "))
    means = {place: statistics.mean(values) for place, values in grid.items()}
    parts: dict[tuple[str, ...], float] = {}
    for size in range(1, len(chosen) + 1):
        for axes in itertools.combinations([n for n in names if n in chosen], size):
            below = sum(value for of, value in parts.items() if set(of) < set(axes))
            parts[axes] = _variance(means, axes) - below
    own = parts[tuple(n for n in names if n in chosen)]
    total = statistics.pvariance(means.values())
    numbers: Numbers = {"variance": own, "share": own / total if total > 0 else None}
    numbers |= _noise(grid, chosen)
    if isinstance(numbers["noise"], float):
        numbers |= {"of_it": min(1.0, numbers["noise"] / own) if own > 0 else 1.0}
    return Expected(numbers, frozenset(trial.key for trial in finished(line.records.trials)))


Grid = dict[tuple[tuple[str, str], ...], list[float]]


def _grid(line: Line) -> Grid:
    """Values of the seeds that every cell has, by the values of the axes that vary."""
    trials = line.records.trials
    names = [
        name
        for name in dict.fromkeys(name for trial in trials for name in trial.axes)
        if name not in NOT_AXES and len({trial.axes.get(name) for trial in trials}) > 1
    ]
    cells: dict[tuple[tuple[str, str], ...], list[Trial]] = {}
    levels = {n: {trial.axes.get(n) for trial in trials} for n in names}
    for trial in finished(trials):
        for axes in (trial.axes, *trial.also):
            place = tuple((n, axes[n]) for n in names if axes.get(n) in levels[n])
            known = cells.setdefault(place, []) if len(place) == len(names) else []
            known += [] if trial in known[-1:] else [trial]
    each: dict[tuple[tuple[str, str], ...], dict[int, float]] = {}
    for place, of in cells.items():
        values = line.measured(of)
        used = by_seed(of, values)[1]
        seeds = {t.seed for t in of if t.key in used}
        each[place] = {s: statistics.mean(values[t.key] for t in of if t.seed == s) for s in seeds}
    first = next(iter(each.values()))
    shared = [seed for seed in sorted(first) if all(seed in of for of in each.values())]
    return {place: [of[seed] for seed in shared] for place, of in each.items()}


def _variance(means: Mapping[tuple[tuple[str, str], ...], float], axes: tuple[str, ...]) -> float:
    """Of means over all axes but these; every combination counts once."""
    groups: dict[tuple[str, ...], list[float]] = {}
    for place, value in means.items():
        groups.setdefault(tuple(v for n, v in place if n in axes), []).append(value)
    return statistics.pvariance([statistics.mean(of) for of in groups.values()])


def _noise(grid: Grid, axes: Sequence[str]) -> Numbers:
    """What seeds that differ by luck alone add to the variance of an effect on average: to each of
    its means σ²/n, less what subtracting the effects of its subsets takes."""
    seeds = len(next(iter(grid.values())))
    if seeds < 2:
        return {"noise": None}
    of_mean = statistics.mean(statistics.variance(of) for of in grid.values()) / seeds
    levels = {name: {value for place in grid for n, value in place if n == name} for name in axes}
    free = math.prod(len(values) - 1 for values in levels.values())
    return {"noise": of_mean * free / len(grid)}


def sentence(trials: Sequence[Trial], records: Records) -> Allowed:
    """Means of settings, and their range, for any metric with a margin; numbers of seeds."""
    values: list[float] = []
    texts: set[str] = set()
    named = {trial.key for trial in trials}
    for metric in records.margins:
        means: list[float] = []
        seeds: set[int] = set()
        left_out = 0
        for of in records.settings:
            line = Line({"metric": metric}, "", (), tuple(of), records)
            own = [trial for trial in finished(of) if trial.key in named]
            found, _ = by_seed(own, line.measured(own))
            if found:
                means.append(statistics.mean(found))
                seeds.add(len(found))
                left_out += len(line.measured(finished(of))) - len(own)
        texts.add(without(left_out, "trial"))
        values += means
        values += [max(means) - min(means)] if means else []
        texts |= {f"n = {counted(n, 'seed')}" for n in seeds} | {f"{len(means)} means"}
        texts |= {f"n = {from_fewest(seeds, 'seed')}"} if seeds else set()
        texts.add(f"{len(means)} settings")
    return Allowed(frozenset(texts), tuple(values))


def along(trials: Sequence[Trial], records: Records) -> Allowed:
    """Of each axis, the largest range of means where nothing else has another value."""
    found: list[float] = []
    for metric in records.margins:
        groups: dict[tuple[str, frozenset[tuple[str, str]]], list[float]] = {}
        for of in records.settings:
            line = Line({"metric": metric}, "", (), tuple(of), records)
            done = finished(of)
            means, _ = by_seed(done, line.measured(done))
            named = {frozenset(_setting(axes)) for axes in (of[0].axes, *of[0].also)}
            for axes in named if means else ():
                for one in axes:
                    group = groups.setdefault((one[0], axes - {one}), [])
                    group.append(statistics.mean(means))
        for axis in {name for name, _ in groups}:
            found.append(max(max(of) - min(of) for (n, _), of in groups.items() if n == axis))
    return Allowed(values=tuple(found))


def _setting(axes: Mapping[str, str]) -> list[tuple[str, str]]:
    return [item for item in axes.items() if item[0] not in NOT_SETTINGS]


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.side_by_side.settings_table": over_seeds,
    "reports.side_by_side.importance_table": importance,
}
RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed]] = {
    "reports.side_by_side.sentence": sentence,
    "reports.side_by_side.curve": along,
}
