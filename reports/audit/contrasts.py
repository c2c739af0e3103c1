"""Tables of variants against their baseline, recomputed from plain records."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from moleflow.wording import counted
from reports.audit.compute import per_seed, priced
from reports.audit.crossings import judged
from reports.audit.pictures import columns
from reports.audit.records import Records, Trial, finished
from reports.audit.second_way import Expected, Line, Numbers, described
from reports.audit.tests import Tested, tested
from reports.audit.words import Allowed

GOALS = ("image_auroc", "pixel_ap")


@dataclass(frozen=True)
class Paired:
    """Values by seed of trials that have a partner of the same order and seed."""

    before: list[float]
    after: list[float]
    sides: tuple[list[Trial], list[Trial]]
    """Those of the one, which are subtracted, and those of the other."""
    pairs: int
    left_out: int

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(trial.key for side in self.sides for trial in side)

    @property
    def seconds(self) -> float | None:
        """That one seed's trials were at work."""
        return per_seed(trial for side in self.sides for trial in side)


def paired(line: Line, baseline: str, setting: str) -> Paired | None:
    """Of seeds that have every order that any pair has; None without a pair."""
    by_label = line.records.labelled
    return pair_of(*(_known(line, by_label[label]) for label in (baseline, setting)))


Places = dict[tuple[str, int], tuple[Trial, float]]
"""Trials with their number, by order and seed."""


def pair_of(*sides: Places) -> Paired | None:
    """The same of a baseline's and a setting's."""
    both = sorted(sides[0].keys() & sides[1].keys())
    orders = {order for order, _ in both}
    seeds = sorted({s for _, s in both if {o for o, t in both if t == s} == orders})
    used = [place for place in both if place[1] in seeds]
    if not used:
        return None
    before, after = (
        [statistics.mean(side[place][1] for place in used if place[1] == s) for s in seeds]
        for side in sides
    )
    left, right = ([side[place][0] for place in used] for side in sides)
    return Paired(before, after, (left, right), len(used), len(both) - len(used))


def _known(line: Line, trials: Sequence[Trial]) -> Places:
    done = finished(trials)
    values = line.measured(done)
    return {(t.order, t.seed): (t, values[t.key]) for t in done if t.key in values}


def contrasts(line: Line) -> Expected:
    """One variant; Holm over every other setting."""
    cells, margin = line.cells, line.records.margins[line.cells["metric"]]
    results = all_of(line, margin)
    found = paired(line, cells["baseline"], cells["setting"])
    numbers: Numbers = _counts(line.records.labelled[cells["setting"]])
    usual = finished(line.records.labelled[cells["baseline"]])
    numbers |= {"baseline_seeds": len({trial.seed for trial in usual})}
    for before, label in (("", cells["setting"]), ("baseline_", cells["baseline"])):
        values = line.measured(finished(line.records.labelled[label]))
        of = described(list(values.values()))
        numbers |= {f"{before}mean": of["mean"], f"{before}sd": of["sd"]}
    if found is None:
        numbers |= columns(line, ())
        sides = (line.records.labelled[cells[column]] for column in ("baseline", "setting"))
        base, own = (_known(line, trials) for trials in sides)
        numbers |= {"seeds": 0, "pairs": 0, "margin": margin, "verdict": None}
        numbers |= {"pairs_left_out": len(base.keys() & own.keys())}
        return Expected(numbers, frozenset())
    numbers |= judged(results, cells["setting"], margin, cells)
    if is_no_op(line.records, cells["baseline"], cells["setting"]):
        numbers |= {"verdict": "no-op"}
    parts = list(zip((-1, 1), found.sides, strict=True))
    numbers |= columns(line, parts, results[cells["setting"]].interval)
    numbers |= {"pairs": found.pairs, "pairs_left_out": found.left_out}
    numbers |= priced(numbers, found.seconds)
    return Expected(numbers, found.keys)


def all_of(line: Line, margin: float) -> dict[str, Tested]:
    """Every setting against the baseline, once for each table."""
    cells, known = line.cells, line.records.known
    labels = together(line.records, cells["setting"], cells["baseline"])
    name = f"contrasts {cells['baseline']} {cells['metric']} {' '.join(labels)}"
    if name not in known:
        found = {
            label: pair
            for label in labels
            if label != cells["baseline"] and (pair := paired(line, cells["baseline"], label))
        }
        known[name] = {k: tested(one.before, one.after, margin) for k, one in found.items()}
    return known[name]


def together(records: Records, setting: str, baseline: str) -> list[str]:
    """Settings of one table, each by its first name there: those of a part of a union, or of all
    parts that have one alone, with a config of their own."""
    parts, of = records.parts, records.labelled
    usual = of[baseline][0].config
    every = {part: [k for k in parts if parts[k] == part] for part in set(parts.values())}
    alone = {part for part, own in every.items() if part and len(records.once(own)) == 1}
    if parts[setting] in alone:
        others = [label for label in parts if parts[label] in alone]
        return [label for label in records.once(others) if of[label][0].config != usual]
    own = records.once(every[parts[setting]])
    return [label for label in own if label == baseline or of[label][0].config != usual]


def is_no_op(records: Records, baseline: str, setting: str) -> bool:
    """Whether trials of one order and seed have the same numbers at the end, whatever the class."""
    of = records.labelled
    known = {(t.order, t.seed): _at_the_end(t) for t in finished(of[baseline])}
    own = {(t.order, t.seed): _at_the_end(t) for t in finished(of[setting])}
    both = known.keys() & own.keys()
    return bool(both) and all(known[place] == own[place] != {} for place in both)


def _at_the_end(trial: Trial) -> dict[tuple[str, str], float]:
    last = len(trial.sequence)
    return {
        (place.metric, place.class_name): value
        for place, value in trial.numbers.items()
        if (place.step, place.definition, place.routing) == (last, "step", "routed")
    }


def _no_ops(records: Records) -> list[str]:
    """By all of their names, settings that are one against the baseline of their table."""
    if "no-ops" not in records.known:
        every = [(base, other) for base, others in tables(records) for other in others]
        of, idle = records.labelled, [b for a, b in every if is_no_op(records, a, b)]
        records.known["no-ops"] = [k for k in of if any(of[k] == of[one] for one in idle)]
    return records.known["no-ops"]


def _counts(trials: Sequence[Trial]) -> Numbers:
    states = [trial.status for trial in trials]
    kinds = ("finished", "diverged", "stopped", "failed")
    numbers: Numbers = {kind: states.count(kind) for kind in kinds}
    return numbers | {"not_run": states.count(""), "planned": len(states)}


def by_class(line: Line) -> Expected:
    """One class of a variant, over the seeds of the contrast over all classes."""
    cells = line.cells
    of_all = Line({"metric": cells["metric"]}, "", (), line.setting, line.records)
    whole = paired(of_all, cells["baseline"], cells["setting"])
    if whole is None:
        raise ValueError("no seed has both settings")
    sides: list[list[float]] = []
    for label in (cells["baseline"], cells["setting"]):
        trials = [t for t in line.records.labelled[label] if t.key in whole.keys]
        values = line.measured(trials)
        seeds = sorted({trial.seed for trial in trials})
        sides.append([statistics.mean(values[t.key] for t in trials if t.seed == s) for s in seeds])
    one = tested(sides[0], sides[1], 0.0)
    low, high = one.interval or (None, None)
    numbers: Numbers = {"seeds": one.n, "difference": one.difference}
    numbers |= {"interval_low": low, "interval_high": high}
    parts = list(zip((-1, 1), whole.sides, strict=True))
    return Expected(numbers | columns(line, parts, one.interval), whole.keys)


def pareto(line: Line) -> Expected:
    """Means over a setting's finished trials, and how many settings beat it."""
    own = _costs(line, line.cells["setting"])
    records = line.records
    idle = _no_ops(records)
    of, own_label = records.labelled, line.cells["setting"]
    labels = [k for k in records.once(of) if k != own_label and k not in idle]
    others = [_costs(line, label) for label in labels if finished(of[label])]
    beaten = sum(_beats(other, own) for other in others)
    told = None if own_label in idle else beaten
    keys = frozenset(t.key for t in finished(line.records.labelled[line.cells["setting"]]))
    return Expected({**own, "beaten_by": told}, keys)


def _costs(line: Line, label: str) -> Numbers:
    trials = finished(line.records.labelled[label])
    found: Numbers = {}
    for metric in GOALS:
        of = Line({"metric": metric}, "", (), (), line.records).measured(trials)
        found[metric] = statistics.mean(of.values()) if of else None
    sizes: list[int] = []
    for trial in trials:
        known = cast(Mapping[str, int], trial.recorded.get("parameters") or {})
        tasks = len(trial.sequence)
        if {"base", "bank"} <= set(known):
            bases = tasks if trial.config.get("separate") else 1
            sizes.append(bases * known["base"] + tasks * known["bank"])
    found["parameters"] = statistics.mean(sizes) if any(sizes) else None
    found["seconds"] = statistics.mean(map(_computing, trials))
    return found


def _computing(trial: Trial) -> float:
    """By stage: what computing it took, whichever trial did."""
    seconds: dict[str, float] = dict(trial.recorded.get("seconds") or {})
    stages = cast(Mapping[str, Mapping[str, Any]], trial.recorded.get("stages") or {})
    for name, stage in stages.items():
        if stage.get("trial"):
            seconds[name] = stage["seconds"]
    return sum(seconds.values())


def _beats(one: Numbers, other: Numbers) -> bool:
    if one["parameters"] is None or other["parameters"] is None:
        return False
    signs = {"image_auroc": 1, "pixel_ap": 1, "parameters": -1, "seconds": -1}
    gains = [
        sign * (float(one[name] or 0) - float(other[name] or 0))
        for name, sign in signs.items()
        if one[name] is not None and other[name] is not None
    ]
    return min(gains) >= 0 and max(gains) > 0


def named_of(trials: Sequence[Trial], records: Records) -> list[str]:
    """Labels of the settings that one of the trials is of."""
    named = {trial.key for trial in trials}
    of = records.labelled
    return [k for k in records.once(of) if any(one.key in named for one in of[k])]


def tables(records: Records) -> list[tuple[str, list[str]]]:
    """Baselines and what is compared with each: of each part of a union, and of those that have one
    setting."""
    parts, of = records.parts, records.labelled
    found: list[tuple[str, list[str]]] = []
    alone: list[str] = []
    for part in dict.fromkeys(parts.values()):
        own = [label for label in parts if parts[label] == part]
        study = records.part(part)
        if part and len(records.once(own)) == 1:
            alone += own
            continue
        baseline = next((k for k in own if _is_base(of[k][0].config, study)), None)
        if baseline is not None:
            others = [k for k in together(records, own[0], baseline) if k != baseline]
            found += [(baseline, others)] if others else []
    main = next((k for k in of if _is_base(of[k][0].config, records.study)), None)
    if main is not None and alone:
        usual = of[main][0].config
        others = [k for k in records.once(alone) if of[k][0].config != usual]
        found += [(main, others)] if others else []
    return found


def _is_base(config: Mapping[str, Any], study: Mapping[str, Any]) -> bool:
    """Whether a config is a study's base, with the changes of the baselines of its axes."""
    changed: dict[str, Any] = {}
    touched: set[str] = set()
    for axis in study["axes"]:
        variants: Mapping[str, Mapping[str, Any]] = axis.get("variants") or {}
        touched |= {axis["field"]} if "field" in axis else set()
        touched |= set(axis.get("fields") or ()).union(*variants.values())
        if variants and not axis.get("when"):
            changed |= variants[axis["baseline"]]
    if not touched:
        return config == study["base"]
    return all(_at(config, name) == changed.get(name, _at(study["base"], name)) for name in touched)


def _at(config: Mapping[str, Any], name: str) -> object:
    value: Any = config
    for step in name.split("."):
        inner = cast(Mapping[str, Any], value if isinstance(value, Mapping) else {})
        value = inner.get(step)
    return value


def unbeaten(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many settings no other one beats."""
    line = Line({}, "", (), (), records)
    labels = named_of(trials, records)
    costs = {label: _costs(line, label) for label in labels}
    free = [a for a, own in costs.items() if not any(_beats(b, own) for b in costs.values())]
    return Allowed(frozenset({f"{len(free)} of {len(labels)}", counted(len(labels), "setting")}))


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.contrasts.contrast_table": contrasts,
    "reports.class_contrasts.class_table": by_class,
    "reports.tradeoffs.pareto_table": pareto,
}
RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed]] = {
    "reports.tradeoffs.pareto_figure": unbeaten,
}
