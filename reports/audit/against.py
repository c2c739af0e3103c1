"""The second way to a page that sets two studies against each other, from the plain records of
both."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from moleflow.errors import MoleflowError
from moleflow.wording import counted, from_fewest
from reports.audit.contrasts import pair_of
from reports.audit.crossings import judged
from reports.audit.records import Records, Trial, finished, read
from reports.audit.second_way import Expected, Line
from reports.audit.tests import Tested, tested
from reports.audit.words import Allowed

OURS, THEIRS = "the study", "the one that it is set against"
COLUMNS = ("seeds", "difference", "interval_low", "interval_high", "p_holm", "verdict")

Trials = tuple[Trial, ...]


@dataclass(frozen=True)
class Pair:
    """A setting of both studies."""

    ours: Trials
    theirs: Trials
    before: list[float]
    """By seed that has every order which any seed of both has."""
    after: list[float]

    @property
    def name(self) -> str:
        return f"{_named(self.ours)} against {_named(self.theirs)}"

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(trial.key for trial in finished((*self.ours, *self.theirs)))


def pages(records: Records) -> Iterator[tuple[Path, Records | None]]:
    """Folders of pages on a study against others, each with the records of both; None where the
    other's cannot be read."""
    studies, own = records.folder.parent, f"{records.folder.name}-against-"
    for folder in sorted((studies.parent / "index").glob(f"{own}*")):
        try:
            other = read(studies / folder.name.removeprefix(own))
        except MoleflowError:
            yield folder, None
            continue
        known = {OURS: records, THEIRS: other}
        every = {trial.key: trial for trial in (*records.trials, *other.trials)}
        yield folder, replace(records, trials=tuple(every.values()), known=known)


def _sides(records: Records) -> tuple[Records, Records]:
    return records.known[OURS], records.known[THEIRS]


def against(line: Line) -> Expected:
    """A setting of both; Holm over all of the page's."""
    cells, (ours, theirs) = line.cells, _sides(line.records)
    one, other = ours.labelled[cells["setting"]], theirs.labelled[cells["other"]]
    every = _pairs(line.records, cells["metric"], (one, other))
    (own,) = (pair for pair in every if pair.name == f"{_named(one)} against {_named(other)}")
    results = _results(line.records, every, cells["metric"])
    if own.name not in results:
        return Expected({"seeds": 0} | dict.fromkeys(COLUMNS[1:]), own.keys)
    margin = ours.margins.get(cells["metric"], 0.0)
    told = judged(results, own.name, margin, {})
    return Expected({column: told[column] for column in COLUMNS}, own.keys)


def sentence(trials: Sequence[Trial], records: Records) -> Allowed:
    """Seeds, and how many settings have which verdict."""
    texts: set[str] = set()
    named = frozenset(trial.key for trial in trials)
    for metric, margin in _sides(records)[0].margins.items():
        if metric not in records.margins:
            continue
        every = _pairs(records, metric, None) or [
            pair for pair in _any_pairs(records, metric) if pair.keys == named
        ]
        results = _results(records, every, metric)
        if not results:
            continue
        found = Counter(
            "the same" if _same(pair) else str(judged(results, pair.name, margin, {})["verdict"])
            for pair in every
            if pair.name in results
        )
        told = ", ".join(f"{verdict} in {many}" for verdict, many in sorted(found.items()))
        texts.add(f"{told} of {counted(len(results), 'setting')}")
        texts.add(f"n = {from_fewest((one.n for one in results.values()), 'seed')}")
    return Allowed(frozenset(texts))


def _same(pair: Pair) -> bool:
    return pair.before == pair.after and len(pair.before) > 1


def _results(records: Records, every: Sequence[Pair], metric: str) -> dict[str, Tested]:
    margin = _sides(records)[0].margins.get(metric, 0.0)
    return {one.name: tested(one.before, one.after, margin) for one in every if one.before}


def _pairs(records: Records, metric: str, said: tuple[Trials, Trials] | None) -> list[Pair]:
    """Settings of one name; of the others those of one config; where there are none, those that are
    said."""
    ours, theirs = _sides(records)
    found: dict[str, tuple[Trials, Trials]] = {}
    for label, trials in ours.labelled.items():
        if label in theirs.labelled:
            found.setdefault(_named(trials), (trials, theirs.labelled[label]))
    taken = {_named(other) for _, other in found.values()}
    free = [trials for trials in theirs.settings if _named(trials) not in taken]
    for trials in ours.settings:
        alike = [one for one in free if _config(one) == _config(trials)]
        if _named(trials) not in found and alike:
            found[_named(trials)] = trials, alike[0]
    every = [*found.values()] or ([said] if said else [])
    return [_pair(one, other, metric) for one, other in every]


def _named(trials: Trials) -> str:
    return " ".join(trial.key for trial in trials)


def _any_pairs(records: Records, metric: str) -> list[Pair]:
    ours, theirs = _sides(records)
    return [_pair(one, two, metric) for one in ours.settings for two in theirs.settings]


def _config(trials: Trials) -> str:
    return json.dumps(trials[0].config, sort_keys=True)


def _pair(ours: Trials, theirs: Trials, metric: str) -> Pair:
    sides = (
        {
            (trial.order, trial.seed): (trial, value)
            for trial in finished(side)
            if (value := trial.value(metric, "final_mean", "routed")) is not None
        }
        for side in (theirs, ours)
    )
    found = pair_of(*sides)
    before, after = (found.before, found.after) if found else ([], [])
    return Pair(ours, theirs, before, after)


WAYS: Mapping[str, Callable[[Line], Expected]] = {"reports.roots.against_table": against}
RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed | None]] = {
    "reports.roots.sentence": sentence
}
