"""The second way to what other test pictures would change: from the plain lists of scores, by
counting pairs and by loops, sample by sample."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from moleflow.streams import numpy_stream
from reports.audit.distributions import f_quantile, middle_of, normal_quantile, root
from reports.audit.kept_scores import (
    F1_DRAWS,
    SAME,
    Contributions,
    Scores,
    kept,
    of_best_f1,
    of_precision,
    of_ranks,
    read,
)
from reports.audit.records import Records, Trial, finished
from reports.audit.second_way import Expected, Line, Numbers, by_seed, described
from reports.audit.second_way import interval as over_seeds
from reports.audit.words import Allowed

METRICS = ("image_auroc", "image_ap", "image_f1_max")
FIRST, *_, BY_SAMPLES = METRICS
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

    classes: tuple[str, ...]
    values: list[list[float]]
    """By seed, of each class."""
    covariances: list[list[list[float]]]
    """By class, between seeds, over samples of pictures."""
    sizes: list[tuple[int, int]]
    """By class, good and anomalous pictures."""
    used: tuple[Trial, ...]
    left_out: int

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
        return math.fsum(map(_whole, self.covariances)) / len(self.classes) ** 2

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


def _whole(of: Sequence[Sequence[float]]) -> float:
    """Variance of the mean over seeds, were these all there are."""
    return max(0.0, statistics.fmean(v for row in of for v in row))


def of_parts(records: Records, parts: Parts, metric: str) -> Found | str:
    """Of a sum over trials, seed by seed. In words why there is none."""
    have = kept(records)
    every = [trial for _, trials in parts for trial in trials]
    lacking = {trial.seed for trial in every if trial.key not in have}
    used = [trial for trial in every if trial.seed not in lacking]
    if not used:
        return why(records, every)
    classes = tuple(sorted(used[0].classes))
    if any(set(trial.classes) != set(classes) for trial in used):
        return "not all trials have it of the same classes"
    sizes = [sizes_of(have[used[0].key][name]) for name in classes]
    few = [name for name, of in zip(classes, sizes, strict=True) if min(of) < 2]
    if few:
        return f"fewer than two test pictures of a kind: {', '.join(few)}"
    seeds = sorted({trial.seed for trial in used})
    terms = {seed: _of(parts, seed) for seed in seeds}
    values = [[_value(terms[s], metric, name) for name in classes] for s in seeds]
    covariances = [
        covariance(have, terms.values(), metric, name, of)
        for name, of in zip(classes, sizes, strict=True)
    ]
    own = tuple({trial.key: trial for trial in used}.values())
    left_out = len({trial.key for trial in every}) - len(own)
    return Found(classes, values, covariances, sizes, own, left_out)


def why(records: Records, trials: Sequence[Trial]) -> str:
    if not trials:
        return "no seed has finished every order"
    lacking = [read(records, trial) for trial in trials if trial.key not in kept(records)]
    told = {
        "kept no scores that can be read": sum(own is None for own in lacking),
        "kept scores that are not those of its record": sum(own is not None for own in lacking),
    }
    return "; ".join(f"{n} of {len(trials)} trials {what}" for what, n in told.items() if n)


def _of(parts: Parts, seed: int) -> Terms:
    """A seed's trials, each with its weight."""
    own = [(factor, [t for t in trials if t.seed == seed]) for factor, trials in parts]
    return [(trial, factor / len(of)) for factor, of in own for trial in of]


def _value(terms: Terms, metric: str, name: str) -> float:
    found = [(w, t.value(metric, "step", "routed", name, len(t.sequence))) for t, w in terms]
    return math.fsum(w * value for w, value in found if value is not None)


def sizes_of(of: Scores) -> tuple[int, int]:
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
            by = {FIRST: of_ranks, "image_ap": of_precision}.get(metric)
            known[id(scores)] = by(scores) if by else of_best_f1(scores, name)
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


def _sum(each: Sequence[tuple[float, Contributions]], kind: int) -> list[float]:
    weights = [weight for weight, _ in each]
    columns = zip(*(of[kind] for _, of in each), strict=True)
    return [math.fsum(w * v for w, v in zip(weights, column, strict=True)) for column in columns]


def _of_setting(line: Line) -> Found | str:
    """Computed once for all lines and sentences that rest on it."""
    metric, trials = line.cells["metric"], line.finished
    name = f"pictures {metric} {' '.join(trial.key for trial in trials)}"
    if name not in line.records.known:
        of_all = Line({"metric": metric}, "", (), line.setting, line.records)
        _, used = by_seed(trials, of_all.measured(trials))
        parts = [(1, [trial for trial in trials if trial.key in used])]
        line.records.known[name] = of_parts(line.records, parts, metric)
    return line.records.known[name]


def doubts(line: Line) -> Expected:
    """A metric's mean at the end: what seeds and what pictures leave open."""
    found = _of_setting(line)
    if isinstance(found, str):
        names = ("mean", "good", "anomalous", "sd_seeds", "sd_pictures", "sd_pictures_alone")
        names += ("sd_pictures_bootstrap", "classes", "draws", "classes_separated")
        names += ("trials_left_out", *_named(("seeds", "pictures", "both")))
        return Expected({**dict.fromkeys(names), "seeds": 0, "why_not": found}, frozenset())
    means, metric = found.means, line.cells["metric"]
    of_seeds = over_seeds(means)
    drawn = _drawn(line.records, found) if metric == FIRST else None
    middle, alone = statistics.mean(means), math.sqrt(found.alone)
    half = normal_quantile(0.975) * alone
    ends = middle_of(drawn) if drawn else (middle - half, middle + half)
    numbers: Numbers = {
        "mean": middle,
        "seeds": len(means),
        "classes": len(found.classes),
        "good": sum(good for good, _ in found.sizes),
        "anomalous": sum(bad for _, bad in found.sizes),
        "sd_pictures_alone": alone,
        "sd_pictures_bootstrap": statistics.stdev(drawn) if drawn else None,
        "draws": len(drawn) if drawn else F1_DRAWS * (metric == BY_SAMPLES),
        "seeds_low": of_seeds["interval_low"],
        "seeds_high": of_seeds["interval_high"],
        **dict(zip(_named(("pictures",)), ends, strict=True)),
        "classes_separated": sum(_separated(found, metric, name) for name in found.classes),
    }
    return Expected(numbers | _two_sources(found), frozenset(t.key for t in found.used))


def _two_sources(found: Found, beside: Ends | None = None) -> Numbers:
    of_seeds = found.from_seeds
    return {
        "sd_seeds": None if of_seeds is None else math.sqrt(of_seeds),
        "sd_pictures": math.sqrt(found.from_pictures),
        **dict(zip(_named(("both",)), found.both(beside), strict=True)),
        "trials_left_out": found.left_out,
        "why_not": "",
    }


def _named(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{name}_{end}" for name in names for end in ("low", "high"))


def _separated(found: Found, metric: str, name: str) -> bool:
    ends = (t.value(metric, "step", "routed", name, len(t.sequence)) for t in found.used)
    return all(value is not None and abs(value - 1) <= SAME for value in ends)


def _drawn(records: Records, found: Found) -> list[float]:
    """AUROC over classes and seeds in each sample of the report's stream, counted pair by pair."""
    have, total = kept(records), np.zeros(DRAWS)
    weights = dict.fromkeys((trial.key for trial in found.used), 0.0)
    for seed in {trial.seed for trial in found.used}:
        for trial, weight in _of([(1, found.used)], seed):
            weights[trial.key] += weight / len(found.values)
    for name in found.classes:
        pairs = None
        for key, weight in weights.items():
            bad, good = (np.array(have[key][name].of(kind)) for kind in (True, False))
            won = np.sign(bad[:, None] - good[None, :]) / 2 + 0.5
            pairs = weight * won if pairs is None else pairs + weight * won
        assert pairs is not None
        draw = numpy_stream("reports", "bootstrap over images", name)
        rows, columns = (draw.integers(size, size=(DRAWS, size)) for size in pairs.shape)
        each = [pairs[np.ix_(i, j)].mean() for i, j in zip(rows, columns, strict=True)]
        total += np.array(each) / len(found.classes)
    return total.tolist()


def classes(line: Line) -> Expected:
    """One class of that."""
    found = _of_setting(line)
    if isinstance(found, str):
        raise ValueError(found)
    c = found.classes.index(line.cells["class"])
    values, (good, bad) = [of[c] for of in found.values], found.sizes[c]
    own, of_seeds = described(values), over_seeds(values)
    sd = own["sd"]
    middle = statistics.mean(values)
    ends = _newcombe(middle, bad, good) if line.cells["metric"] == FIRST else (None, None)
    numbers: Numbers = {"good": good, "anomalous": bad, "seeds": len(values), "mean": middle}
    numbers |= {"sd_seeds": sd / math.sqrt(len(values)) if isinstance(sd, float) else None}
    numbers |= {"sd_pictures_alone": math.sqrt(_whole(found.covariances[c]))}
    numbers |= {"seeds_low": of_seeds["interval_low"], "seeds_high": of_seeds["interval_high"]}
    numbers |= dict(zip(_named(("pictures",)), ends, strict=True))
    return Expected(numbers, frozenset(trial.key for trial in found.used))


def _newcombe(value: float, bad: int, good: int) -> tuple[float, float]:
    """Ends of the A that lie z standard deviations from the value (Newcombe 2006, method 5)."""
    z, most = normal_quantile(0.975), (bad + good) / 2 - 1

    def away(a: float) -> float:
        spread = 1 + most * ((1 - a) / (2 - a) + a / (1 + a))
        return abs(value - a) - z * math.sqrt(max(0.0, a * (1 - a) * spread / (bad * good)))

    low = 0.0 if value <= 0 else root(away, 0.0, min(value, 1 - 1e-12))
    high = 1.0 if value >= 1 else root(away, max(value, 1e-12), 1.0)
    return low, high


def columns(line: Line, parts: Parts, beside: Ends | None = None) -> Numbers:
    """Of a table of other things: what stands over seeds and pictures beside its number, which may
    have an interval over seeds of its own."""
    if line.cells["metric"] not in METRICS:
        return {}
    found = of_parts(line.records, parts, line.cells["metric"])
    if isinstance(found, str):
        names = ("sd_seeds", "sd_pictures", "good", "anomalous", "trials_left_out")
        names += _named(("both",))
        return {**dict.fromkeys(names), "seeds_both": 0, "why_not": found}
    good, anomalous = map(sum, zip(*found.sizes, strict=True))
    numbers: Numbers = {"seeds_both": len(found.values), "good": good, "anomalous": anomalous}
    return numbers | _two_sources(found, beside)


def lacking(trials: Sequence[Trial], records: Records) -> Allowed:
    """So many trials: all that there are, or those without scores that can be used."""
    have, every = kept(records), {t.key for t in finished(records.trials)}
    keys = {trial.key for trial in trials}
    whole = [{t.key for t in finished(of)} for of in (records.trials, *records.settings)]
    fits = keys in whole or not keys & (have.keys() & every)
    return Allowed(frozenset({str(len(keys))} if fits else ()))


def _of_first_metric(trials: Sequence[Trial], records: Records) -> Line:
    """The line of the metric that a page speaks of."""
    return Line({"metric": FIRST}, "", (), tuple(trials), records)


def sentence(trials: Sequence[Trial], records: Records) -> Allowed:
    """Of the mean over classes."""
    numbers = doubts(_of_first_metric(trials, records)).numbers
    if numbers["why_not"]:
        return Allowed()
    values = [float(v) for v in numbers.values() if isinstance(v, (int, float))]
    pictures = f"{numbers['good']} good and {numbers['anomalous']} anomalous"
    return Allowed(frozenset({f"n = {numbers['seeds']} seeds", pictures}), tuple(values))


def largest(trials: Sequence[Trial], records: Records) -> Allowed:
    """Of the class for which pictures leave most open."""
    found = _of_setting(_of_first_metric(trials, records))
    if isinstance(found, str):
        return Allowed()
    return Allowed(values=(math.sqrt(max(map(_whole, found.covariances))),))


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.doubts.doubt_table": doubts,
    "reports.doubts.class_table": classes,
}
RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed]] = {
    "reports.doubt_columns.lacking": lacking,
    "reports.doubt_columns.sentence": sentence,
    "reports.doubts.class_figure": largest,
}
