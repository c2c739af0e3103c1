"""The second way to what other test pictures would change: from the plain lists of scores, by
counting pairs and by loops, sample by sample."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from moleflow.streams import numpy_stream
from moleflow.wording import counted, grouped
from reports.audit.distributions import middle_of, normal_quantile, root
from reports.audit.kept_scores import F1_DRAWS, PIXELS, SAME, kept
from reports.audit.over_pictures import (
    BY_SAMPLES,
    DRAWS,
    FIRST,
    METRICS,
    Ends,
    Found,
    Parts,
    at_end,
    of_parts,
    of_seed,
    told,
    whole,
)
from reports.audit.records import Records, Trial, finished
from reports.audit.second_way import Expected, Line, Numbers, by_seed, described
from reports.audit.second_way import interval as over_seeds
from reports.audit.words import Allowed


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
    ends = (at_end(t, metric, name) for t in found.used)
    return all(value is not None and abs(value - 1) <= SAME for value in ends)


def _drawn(records: Records, found: Found) -> list[float]:
    """AUROC over classes and seeds in each sample of the report's stream, counted pair by pair."""
    have, total = kept(records), np.zeros(DRAWS)
    weights = dict.fromkeys((trial.key for trial in found.used), 0.0)
    for seed in {trial.seed for trial in found.used}:
        for trial, weight in of_seed([(1, found.used)], seed):
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
    numbers |= {"sd_pictures_alone": math.sqrt(whole(found.covariances[c]))}
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
    if "class" in line.cells and not isinstance(found, str):
        found = found.of_class(line.cells["class"])
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
    pixels = {t.key for t in trials if all(told(records, t, metric) for metric in PIXELS)}
    fits = keys in whole or not keys & (have.keys() & every) or not keys & pixels
    return Allowed(frozenset({str(len(keys))} if fits else ()))


def sentence(trials: Sequence[Trial], records: Records) -> Allowed:
    """Of the mean over classes of a metric that reports conclude on."""
    texts, values = set[str](), list[float]()
    for metric in records.margins:
        numbers = doubts(Line({"metric": metric}, "", (), tuple(trials), records)).numbers
        if metric in METRICS and not numbers["why_not"]:
            values += [float(v) for v in numbers.values() if isinstance(v, (int, float))]
            good, bad = (grouped(int(str(numbers[kind]))) for kind in ("good", "anomalous"))
            texts.add(f"{good} good and {bad} anomalous")
            texts.add(f"n = {counted(int(str(numbers['seeds'])), 'seed')}")
    return Allowed(frozenset(texts), tuple(values))


def largest(trials: Sequence[Trial], records: Records) -> Allowed:
    """Of the class for which pictures leave most open."""
    found = _of_setting(Line({"metric": FIRST}, "", (), tuple(trials), records))
    if isinstance(found, str):
        return Allowed()
    seeds = counted(len(found.values), "seed")
    return Allowed(frozenset({seeds}), (math.sqrt(max(map(whole, found.covariances))),))


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.doubts.doubt_table": doubts,
    "reports.doubts.class_table": classes,
}
RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed]] = {
    "reports.doubt_columns.lacking": lacking,
    "reports.doubt_columns.sentence": sentence,
    "reports.doubts.class_figure": largest,
}
