"""What sentences and captions say of test pictures beside their numbers: how many there are, of
which trials nothing is known, and why."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from moleflow.wording import counted, grouped
from reports.audit.kept_scores import kept
from reports.audit.over_pictures import METRICS, Found, measured, of_parts, sizes_of, unknown
from reports.audit.records import Records, Trial, finished
from reports.audit.second_way import Line, by_seed
from reports.audit.words import Allowed

NOISE = 1e-12
"""Of a variance: what rounding may make of one that is zero."""


def how_many(trials: Sequence[Trial], records: Records) -> Allowed:
    """Good and anomalous test pictures of all classes."""
    have, texts = kept(records), set[str]()
    for metric in (one for one in METRICS if one in records.margins):
        for trial in (one for one in trials if one.key in have):
            sizes = [sizes_of(have[trial.key][name]) for name in measured(trial, metric)]
            good, bad = (sum(of) for of in zip(*sizes, strict=True))
            texts.add(f"{grouped(good)} good and {grouped(bad)} anomalous")
    return Allowed(frozenset(texts))


def _parts(trials: Sequence[Trial], records: Records, metric: str) -> Iterator[list[list[Trial]]]:
    """The named trials that have a metric in whole seeds, as pages tell them apart: by setting, and
    of a setting by task 0."""
    named = {trial.key for trial in trials}
    settings = [[t for t in finished(of) if t.key in named] for of in records.settings]
    whole = [_whole(of, records, metric) for of in settings]
    yield whole
    for of in filter(None, whole):
        firsts = sorted({trial.task0 for trial in of})
        yield [[trial for trial in of if trial.task0 == first] for first in firsts]


def _whole(trials: Sequence[Trial], records: Records, metric: str) -> list[Trial]:
    line = Line({"metric": metric}, "", (), tuple(trials), records)
    _, used = by_seed(trials, line.measured(trials)) if trials else ((), ())
    return [trial for trial in trials if trial.key in used]


def why_not(trials: Sequence[Trial], records: Records) -> Allowed:
    """Why nothing is known of a setting, of one of its tasks 0, or of a proposal of a search."""
    every = finished(records.trials)
    texts: set[str] = set()
    for metric in (one for one in METRICS if one in records.margins):
        for parts in _parts(every, records, metric):
            texts |= {unknown(records, of, metric) for of in parts}
    return Allowed(frozenset(texts - {""}))


def below_zero(trials: Sequence[Trial], records: Records) -> Allowed:
    """Of how many settings or tasks 0 the estimate of what pictures do is negative."""
    texts: set[str] = set()
    for metric in (one for one in METRICS if one in records.margins):
        for parts in _parts(trials, records, metric):
            of = [of_parts(records, [(1, part)], metric) for part in parts]
            known = [math.fsum(one.shared) < -NOISE for one in of if isinstance(one, Found)]
            texts.add(f"{sum(known)} of {len(known)}")
    return Allowed(frozenset(texts))


def left_out(trials: Sequence[Trial], records: Records) -> Allowed:
    """Trials of the same settings and orders of further seeds that have all of these."""
    setting = {t.key: i for i, of in enumerate(records.settings) for t in of}
    wanted = {(setting[trial.key], trial.order) for trial in trials}
    seeds = {trial.seed for trial in trials}
    others: dict[int, int] = {}
    for trial in finished(records.trials):
        if (setting[trial.key], trial.order) in wanted and trial.seed not in seeds:
            others[trial.seed] = others.get(trial.seed, 0) + 1
    lost = sum(many for many in others.values() if many == len(wanted))
    return Allowed(frozenset({counted(lost, "trial")}))


RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed]] = {
    "reports.doubt_columns.caption": how_many,
    "reports.doubt_columns.why_not": why_not,
    "reports.doubt_columns._below_zero": below_zero,
    "reports.doubt_columns.without": left_out,
}
