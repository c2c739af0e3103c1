"""The second way to what other test pictures would change in a mean over trials, or in a difference
of two: from what each picture contributes, by plain loops."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from moleflow.wording import counted
from reports.audit.distributions import f_quantile
from reports.audit.kept_scores import (
    F1_DRAWS,
    PIXELS,
    SAME,
    Contributions,
    Scores,
    every_file,
    kept,
    of_best_f1,
    of_pixels,
    of_precision,
    of_ranks,
)
from reports.audit.records import Records, Trial

FIRST, BY_SAMPLES = "image_auroc", "image_f1_max"
METRICS = (FIRST, "image_ap", BY_SAMPLES, *PIXELS)
DRAWS = 2000
MOST_DF = 1e6
Ends = tuple[float, float]


Parts = Sequence[tuple[float, Sequence[Trial]]]
"""Of a sum: how often each seed's mean over some trials counts, e.g. -1 for what is subtracted."""
Terms = Sequence[tuple[Trial, float]]
"""The same trial by trial, the factor divided by how many of the seed share it."""


@dataclass(frozen=True)
class Found:
    """A mean over classes, or a difference of two, with its doubt."""

    metric: str
    classes: tuple[str, ...]
    values: list[list[float]]
    """By seed, of each class."""
    covariances: list[list[list[float]]]
    """By class, between seeds, over samples of pictures."""
    sizes: list[tuple[int, int]]
    """By class, good and anomalous pictures."""
    used: tuple[Trial, ...]
    left_out: int

    def of_class(self, name: str) -> "Found | str":
        """One class by itself; in words why pictures tell nothing of it."""
        c = self.classes.index(name)
        ends = [at_end(trial, self.metric, name) for trial in self.used]
        if all(value is not None and abs(value - 1) <= SAME for value in ends):
            return "all trials separate it perfectly: samples of these pictures tell nothing"
        values = [[of[c]] for of in self.values]
        return replace(
            self,
            classes=(name,),
            values=values,
            covariances=[self.covariances[c]],
            sizes=[self.sizes[c]],
        )

    @property
    def means(self) -> list[float]:
        return [statistics.mean(of) for of in self.values]

    @property
    def from_seeds(self) -> float | None:
        """Variance of the mean."""
        return statistics.variance(self.means) / len(self.means) if len(self.means) > 1 else None

    @property
    def shared(self) -> list[float]:
        """By class, what pictures do to all seeds alike: variance of the mean over classes."""
        return [_between(of) / len(self.classes) ** 2 for of in self.covariances]

    @property
    def from_pictures(self) -> float:
        return max(0.0, math.fsum(self.shared))

    @property
    def alone(self) -> float:
        """Variance from pictures, were the seeds all there are."""
        return math.fsum(map(whole, self.covariances)) / len(self.classes) ** 2

    @property
    def half_squared(self) -> float:
        """Of the interval from pictures alone."""
        raw = math.fsum(self.shared)
        below = math.fsum(
            part**2 / max(1, min(sizes) - 1)
            for part, sizes in zip(self.shared, self.sizes, strict=True)
        )
        df = max(1.0, raw**2 / below) if below else MOST_DF
        return _square(self.from_pictures, df)

    def both(self, beside: Ends | None = None) -> Ends | tuple[None, None]:
        """95 % interval, from three seeds on; or one over seeds, widened by the pictures."""
        if beside:
            middle, squares = sum(beside) / 2, ((beside[1] - beside[0]) / 2) ** 2
        elif len(self.values) < 3:
            return None, None
        else:
            middle = statistics.mean(self.means)
            squares = _square(self.from_seeds or 0.0, len(self.values) - 1)
        half = math.sqrt(squares + self.half_squared)
        return middle - half, middle + half


def _square(variance: float, df: float) -> float:
    """Of half an interval, from F(1, df) = t²."""
    return f_quantile(0.95, 1, min(df, MOST_DF)) * variance if variance else 0.0


def _between(of: Sequence[Sequence[float]]) -> float:
    """Mean covariance of two seeds; of one seed its variance."""
    apart = [v for s, row in enumerate(of) for t, v in enumerate(row) if s != t]
    return statistics.fmean(apart) if apart else of[0][0]


def whole(of: Sequence[Sequence[float]]) -> float:
    """Variance of the mean over seeds, were these all there are."""
    return max(0.0, statistics.fmean(v for row in of for v in row))


def of_parts(records: Records, parts: Parts, metric: str) -> Found | str:
    """Of a sum over trials, seed by seed. In words why there is none."""
    have = kept(records)
    every = [trial for _, trials in parts for trial in trials]
    nothing = unknown(records, every, metric)
    if nothing:
        return nothing
    used = of_whole_seeds(records, every, metric)
    classes = measured(used[0], metric)
    sizes = [sizes_of(have[used[0].key][name]) for name in classes]
    seeds = sorted({trial.seed for trial in used})
    terms = {seed: of_seed(parts, seed) for seed in seeds}
    values = [[_value(terms[s], metric, name) for name in classes] for s in seeds]
    covariances = [
        covariance(have, terms.values(), metric, name, of)
        for name, of in zip(classes, sizes, strict=True)
    ]
    own = tuple({trial.key: trial for trial in used}.values())
    left_out = len({trial.key for trial in every}) - len(own)
    return Found(metric, classes, values, covariances, sizes, own, left_out)


def of_whole_seeds(records: Records, trials: Sequence[Trial], metric: str) -> list[Trial]:
    """Those of seeds of which every trial tells what pictures do to it."""
    lacking = {trial.seed for trial in trials if not told(records, trial, metric)}
    return [trial for trial in trials if trial.seed not in lacking]


def unknown(records: Records, trials: Sequence[Trial], metric: str) -> str:
    """In words why nothing is known of them; empty where something is."""
    have, used = kept(records), of_whole_seeds(records, trials, metric)
    if not used:
        return why(records, trials)
    classes = measured(used[0], metric)
    if any(measured(trial, metric) != classes for trial in used):
        return "not all trials have it of the same classes"
    few = [name for name in classes if min(sizes_of(have[used[0].key][name])) < 2]
    return f"fewer than two test pictures of a kind: {', '.join(few)}" if few else ""


def measured(trial: Trial, metric: str) -> tuple[str, ...]:
    """Classes that have the metric at the end."""
    ends = {name: at_end(trial, metric, name) for name in trial.classes}
    return tuple(sorted(name for name, value in ends.items() if value is not None))


def told(records: Records, trial: Trial, metric: str) -> bool:
    """Whether the trial has kept what tells the metric's doubt."""
    own = kept(records).get(trial.key)
    if own is None:
        return False
    return metric not in PIXELS or all(metric in own[n].parts for n in measured(trial, metric))


def at_end(trial: Trial, metric: str, name: str) -> float | None:
    """Of a class after the last task."""
    return trial.value(metric, "step", "routed", name, len(trial.sequence))


def why(records: Records, trials: Sequence[Trial]) -> str:
    if not trials:
        return "no seed has finished every order"
    lacking = [every_file(records)[t.key] for t in trials if t.key not in kept(records)]
    each = {
        "kept no scores that can be read": sum(own is None for own in lacking),
        "kept scores that are not those of its record": sum(own is not None for own in lacking),
        "kept nothing of what pictures contribute to it": len(trials) - len(lacking),
    }
    return "; ".join(
        f"{n} of {counted(len(trials), 'trial')} {what}" for what, n in each.items() if n
    )


def of_seed(parts: Parts, seed: int) -> Terms:
    """A seed's trials, each with its weight."""
    own = [(factor, [t for t in trials if t.seed == seed]) for factor, trials in parts]
    return [(trial, factor / len(of)) for factor, of in own for trial in of]


def _value(terms: Terms, metric: str, name: str) -> float:
    found = [(w, at_end(t, metric, name)) for t, w in terms]
    return math.fsum(w * value for w, value in found if value is not None)


def sizes_of(of: Scores) -> tuple[int, int]:
    """Good and anomalous pictures."""
    return len(of.of(False)), len(of.of(True))


def covariance(
    have: Mapping[str, Mapping[str, Scores]],
    terms: Iterable[Terms],
    metric: str,
    name: str,
    sizes: tuple[int, int],
) -> list[list[float]]:
    """Between the seeds' values, from what each picture contributes, or from samples of them."""
    known: dict[int, Any] = {}

    def of(trial: Trial) -> Any:
        scores = have[trial.key][name]
        if id(scores) not in known:
            known[id(scores)] = contributions(scores, metric, name)
        return known[id(scores)]

    seeds = [[(weight, of(trial)) for trial, weight in of_seed] for of_seed in terms]
    if metric == BY_SAMPLES:
        fewer = min(sizes)
        drawn = [np.array([w for w, _ in one]) @ np.array([v for _, v in one]) for one in seeds]
        apart = [one - one.mean() for one in drawn]
        whole = fewer / (fewer - 1) / (F1_DRAWS - 1)
        return [[float(a @ b) * whole for b in apart] for a in apart]
    by_seed = [(_sum(each, 0), _sum(each, 1)) for each in seeds]
    return [
        [
            sum(len(a) * statistics.covariance(a, b) for a, b in zip(one, other, strict=True))
            for other in by_seed
        ]
        for one in by_seed
    ]


def contributions(scores: Scores, metric: str, name: str) -> Any:
    """Of good and of anomalous pictures of a class; of F1-max the metric in each sample of them."""
    if metric in PIXELS:
        return of_pixels(scores, metric)
    by = {FIRST: of_ranks, "image_ap": of_precision}.get(metric)
    return by(scores) if by else of_best_f1(scores, name)


def _sum(each: Sequence[tuple[float, Contributions]], kind: int) -> list[float]:
    weights = [weight for weight, _ in each]
    columns = zip(*(of[kind] for _, of in each), strict=True)
    return [math.fsum(w * v for w, v in zip(weights, column, strict=True)) for column in columns]
