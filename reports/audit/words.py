"""Numbers that stand in sentences of a report's page: what each may be, from plain records."""

import itertools
import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moleflow.wording import counted, from_fewest, grouped
from reports.audit.notation import numbers
from reports.audit.records import Records, Trial, finished
from reports.audit.second_way import Line, described, over_trials, ranges

SENTENCES_OF = ("image_auroc", "pixel_ap")
CLOSE = 1e-9
MOST_MATRICES = 6
"""Heat maps of one kind that a page draws."""


@dataclass(frozen=True)
class Allowed:
    """What may stand there: these texts, or numbers that round from these."""

    texts: frozenset[str] = frozenset()
    values: tuple[float, ...] = ()

    def admits(self, text: str) -> bool:
        """Every number in the text is one of them, as such or in percent; counts stand in texts."""
        if text in self.texts:
            return True
        found = numbers(text)
        return bool(found) and all(
            any(
                one.rounded.low - CLOSE <= scale * value <= one.rounded.high + CLOSE
                for value in self.values
                for scale in (100.0, 1.0)
            )
            and (one.percent or not one.whole)
            for one in found
        )


def numbers_of_seeds(seeds: Iterable[int]) -> frozenset[str]:
    """How many there are where these numbers of seeds occur: each, and from each to a larger."""
    found = sorted(set(seeds))
    one = {f"n = {counted(low, 'seed')}" for low in found}
    return frozenset(
        one
        | {
            f"n = {from_fewest((low, high), 'seed')}"
            for low, high in itertools.combinations(found, 2)
        }
    )


def without(many: int, what: str) -> str:
    """How a sentence says what it leaves out; empty where that is nothing."""
    return f"{counted(many, what)} of incomplete seeds left out" if many else ""


def lost(trials: Sequence[Trial], records: Records, metric: str, used: int) -> str:
    """Trials that have the metric in the settings of those named, and are not used."""
    named = {trial.key for trial in trials}
    own = [of for of in records.settings if any(trial.key in named for trial in of)]
    every = finished([trial for of in own for trial in of])
    return without(len(_line(every, records, metric=metric).measured(every)) - used, "trial")


def whole_units(seconds: float | None) -> str:
    """How a sentence writes a time; empty where there is none."""
    if seconds is None or seconds < 120:
        return "" if seconds is None else f"{max(1, round(seconds)):,} s"
    minutes = seconds / 60
    return f"{round(minutes):,} min" if minutes < 120 else f"{round(minutes / 60):,} h"


def _line(trials: Sequence[Trial], records: Records, **cells: str) -> Line:
    return Line(cells, "", tuple(t.key for t in trials), tuple(trials), records)


def _values(found: Iterable[object]) -> tuple[float, ...]:
    return tuple(float(value) for value in found if isinstance(value, (int, float)))


def answer(trials: Sequence[Trial], records: Records) -> Allowed:
    """Mean and sd of the final means, and ranges between task 0s, orders and seeds."""
    found: list[object] = []
    texts: set[str] = set()
    for metric in records.margins:
        cells = {"metric": metric, "definition": "final_mean"}
        of = over_trials(_line(trials, records, **cells)).numbers
        found += [of[name] for name in ("mean", "sd")]
        texts.add(f"{classes_measured(trials, records, metric)} classes")
        for source, what in (("task0", ""), ("order", "group"), ("seed", "order")):
            of = ranges(_line(trials, records, **cells, source=source)).numbers
            found += [of[name] for name in ("mean_range", "largest_range")]
            many = "task_zeros" if source == "task0" else "groups"
            texts.add(f"n = {_counted(of[many], what) if what else of[many]}")
    return Allowed(frozenset(texts), _values(found))


def _counted(many: object, what: str) -> str:
    return counted(int(str(many)), what)


def classes_measured(trials: Sequence[Trial], records: Records, metric: str) -> str:
    """Over how many of the classes of the trials' settings the mean is taken."""
    named = {trial.key for trial in trials}
    own = [of for of in records.settings if any(trial.key in named for trial in of)]
    every = [trial for of in own for trial in of]
    known = sorted(
        sum(t.value(metric, "step", "routed", c, len(t.sequence)) is not None for c in t.classes)
        for t in finished(every)
    )
    many = f"{known[0]}" if known[0] == known[-1] else f"{known[0]} to {known[-1]}"
    return f"{many} of {len({name for trial in every for name in trial.classes})}"


def lowest_and_highest_order(trials: Sequence[Trial], records: Records) -> Allowed:
    """Each order's mean over its seeds."""
    found: list[object] = []
    for order in {trial.order for trial in trials}:
        same = [trial for trial in trials if trial.order == order]
        for metric in SENTENCES_OF:
            values = _line(same, records, metric=metric).measured(same)
            found.append(described(list(values.values()))["mean"])
    orders = len({trial.order for trial in trials})
    return Allowed(frozenset({f"{orders} orders"}), _values(found))


def largest_fall(trials: Sequence[Trial], records: Records) -> Allowed:
    """From the first to the last entry of a class's column of R."""
    falls: list[float] = []
    for name in {name for trial in trials for name in trial.classes}:
        means: list[float] = []
        for step in range(1, max(len(trial.sequence) for trial in trials) + 1):
            line = _line(trials, records, metric="image_auroc", step=str(step), **{"class": name})
            known = line.measured(trials)
            means += [statistics.mean(known.values())] if known else []
        falls += [means[0] - means[-1]] if means else []
    orders = {trial.order for trial in trials}
    drawn = min(MOST_MATRICES, len(orders))
    every = counted(len({trial.order for trial in records.trials}), "order")
    told = f"{drawn} of {every}"
    return Allowed(frozenset({told}), (max(falls),) if falls else ())


def routed(trials: Sequence[Trial], records: Records) -> Allowed:
    """Images that went to their own task, of all; their share; the smallest margin."""
    correct = images = 0
    margins: list[float] = []
    for trial in trials:
        own, others = trial.sent
        correct, images = correct + own, images + own + others
        margin = trial.routing.get("smallest_margin")
        margins += [margin] if margin is not None else []
    share = f"{100 * correct / images:.2f} %" if images else "none"
    told = f"{grouped(correct)} of {grouped(images)}"
    texts = {told, f"{told} test images ({share})"}
    texts |= {f"{min(margins):,.4g}"} if margins else set()
    return Allowed(frozenset(texts))


def identical_bytes(trials: Sequence[Trial], records: Records) -> Allowed:
    """Hashes that are equal, of those that were compared."""
    names = {"bank": "banks", "scores": "classes’ scores", "base": "bases"}
    found = bytes_compared(trials)
    texts = {f"{grouped(same)} of {grouped(of)} {names[k]}" for k, (same, of) in found.items()}
    texts.add(counted(sum(of - same for same, of in found.values()), "mismatch"))
    free = [trial for trial in trials if trial.order_free]
    texts.add(f"{len(trials) - len(free)} of the trials")
    derived = [trial for trial in free if trial.recorded["role"] == "derived"]
    texts.add(f"{len(derived)} further {'trial was' if len(derived) == 1 else 'trials were'}")
    groups = _groups(trials)
    own = [{t.order for t in of if t.recorded["role"] != "derived"} for of in groups]
    texts |= {f"n = {counted(len(groups), 'group')}"}
    texts.add(f"up to {max(map(len, own), default=0)} orders each")
    return Allowed(frozenset(texts))


def _groups(trials: Sequence[Trial]) -> list[list[Trial]]:
    """Trials that share all that a bank may depend on, of those that differ in order."""
    found: dict[str, list[Trial]] = {}
    for trial in (one for one in trials if one.order_free):
        found.setdefault(_alike(trial), []).append(trial)
    return [of for of in found.values() if len({trial.order for trial in of}) > 1]


def bytes_compared(trials: Sequence[Trial]) -> dict[str, tuple[int, int]]:
    """By kind, equal ones and all: hashes of trials that share all that a bank may depend on and
    differ in order, each against its group's first, where two trials trained apart."""
    made, same = dict[str, int](), dict[str, int]()
    for first, *others in _groups(trials):
        for other in others:
            for kind, equal in _compared(first, other):
                made[kind] = made.get(kind, 0) + 1
                same[kind] = same.get(kind, 0) + equal
    return {kind: (same[kind], many) for kind, many in made.items()}


def _alike(trial: Trial) -> str:
    prints = trial.recorded["fingerprints"]
    where = [trial.recorded["device"], trial.recorded["threads"]]
    return json.dumps([trial.task0, trial.seed, where, prints, trial.config], sort_keys=True)


def _compared(one: Trial, two: Trial) -> Iterable[tuple[str, bool]]:
    for name, digest in one.recorded["hashes"].items():
        kind, _, what = name.partition(" ")
        if kind not in ("bank", "scores", "base") or name not in two.recorded["hashes"]:
            continue
        if kind == "scores" and _task_of(one, what) != _task_of(two, what):
            continue
        if _maker(one, kind, what) != _maker(two, kind, what):
            yield kind, digest == two.recorded["hashes"][name]


def _task_of(trial: Trial, name: str) -> str:
    return next(("+".join(task) for task in trial.sequence if name in task), "")


def _maker(trial: Trial, kind: str, what: str) -> str:
    task = _task_of(trial, what) if kind == "scores" else what or trial.task0
    for stage in (f"base {task}", f"adapter {task}"):
        if stage in trial.recorded["stages"]:
            return trial.recorded["stages"][stage]["trial"]
    return trial.key


def last_numbers(trials: Sequence[Trial], records: Records) -> Allowed:
    """Of a trial that did not finish."""
    told: list[dict[str, Any]] = [trial.failure.get("numbers") or {} for trial in trials]
    return Allowed(frozenset(", ".join(f"{k} = {v}" for k, v in one.items()) for one in told))


def records_of(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many there are of planned trials, whatever came of them."""
    return Allowed(frozenset({counted(sum(bool(t.status) for t in records.trials), "record")}))


def matrices(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many ways there are in which classes make tasks, and how many of them are drawn."""
    ways = {tuple(sorted(trial.sequence)) for trial in trials if trial.routing}
    several = [way for way in ways if len(way) > 1]
    drawn = min(MOST_MATRICES, len(several))
    return Allowed(frozenset({f"{drawn} of {len(ways)} matrices"}))


def places(trials: Sequence[Trial], records: Records) -> Allowed:
    """Seeds and orders."""
    seeds, orders = {trial.seed for trial in trials}, {trial.order for trial in trials}
    return Allowed(frozenset({f"{len(seeds)} and {len(orders)} here"}))


Rule = Callable[[Sequence[Trial], Records], Allowed | None]
"""None: orders are too many to be gone through."""
RULES: Mapping[str, Rule] = {
    "reports.order_answer.sentences": answer,
    "reports.figures.by_order": lowest_and_highest_order,
    "reports.figures.r_matrices": largest_fall,
    "reports.figures.confusions": routed,
    "reports.confusions.sentence": routed,
    "reports.invariance.compare": identical_bytes,
    "reports.confusions.drawn_of": matrices,
    "reports.papers_by_class._apart": places,
    "reports.made.end": records_of,
    "reports.made._failure": last_numbers,
}
