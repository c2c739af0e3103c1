"""What a report says of a search, recomputed from plain records: what each proposal was measured
as, what choosing on the test set prints, and which settings matter."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moleflow.wording import counted
from reports.audit import divergence
from reports.audit.correlations import SPEARMAN, chances, correlated, ranked
from reports.audit.pictures import columns
from reports.audit.records import Records, Trial
from reports.audit.second_way import Expected, Line, Numbers, by_seed
from reports.audit.words import Allowed

DEFAULT = "image_auroc"
"""The metric of an objective that names none."""


@dataclass(frozen=True)
class Proposal:
    """As far as its trials tell."""

    outcome: str
    trials: tuple[Trial, ...]
    """That have a record."""
    axes: Mapping[str, str]
    score: float | None
    """By pictures that training may see."""
    value: float | None
    """What the search makes large."""


def axis(records: Records) -> Mapping[str, Any]:
    return next(one for one in records.study["axes"] if one.get("kind") == "search")


def metric_of(records: Records) -> str:
    return str(axis(records)["objective"]).partition(":")[2] or DEFAULT


def proposals(records: Records) -> dict[int, Proposal]:
    """By number; those alone that make a trial."""
    if "proposals" not in records.known:
        of: dict[int, dict[str, tuple[Trial, Mapping[str, str]]]] = {}
        for trial in records.trials:
            for axes in (trial.axes, *trial.also):
                of.setdefault(int(axes["proposal"]), {}).setdefault(trial.key, (trial, axes))
        found = {number: _proposal(list(one.values()), records) for number, one in of.items()}
        records.known["proposals"] = dict(sorted(found.items()))
    return records.known["proposals"]


def _proposal(of: Sequence[tuple[Trial, Mapping[str, str]]], records: Records) -> Proposal:
    states = [trial.status for trial, _ in of]
    ends = ("failed", "diverged", "stopped")
    outcome = next(
        (end for end in ends if end in states), "in work" if "" in states else "finished"
    )
    trials = tuple(trial for trial, _ in of if trial.status)
    metric = metric_of(records)
    score, value = _mean([_score(t, metric) for t in trials]), None
    if outcome == "finished":
        value = tested(trials, metric) if _on_test(records) else score
        outcome = "in work" if value is None else outcome
    return Proposal(outcome, trials, of[0][1], score, value)


def _on_test(records: Records) -> bool:
    return str(axis(records)["objective"]).startswith("test")


def _score(trial: Trial, metric: str) -> float | None:
    steps = {
        int(row["step"]): float(row["value"])
        for row in trial.recorded.get("selection") or ()
        if (row["metric"], row["routing"], row["definition"]) == (metric, "routed", "step_mean")
    }
    return steps[max(steps)] if steps else None


def tested(trials: Sequence[Trial], metric: str) -> float | None:
    """Mean on test, at the end."""
    return _mean([trial.value(metric, "final_mean", "routed") for trial in trials])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known and len(known) == len(values) else None


def done(records: Records) -> dict[int, Proposal]:
    """Those with a value, in their order."""
    return {n: one for n, one in proposals(records).items() if one.value is not None}


def chosen(records: Records) -> int:
    """The first with the largest value."""
    values = {n: one.value or 0.0 for n, one in done(records).items()}
    return min(n for n, value in values.items() if value == max(values.values()))


def proposal(line: Line) -> Expected:
    """Of one, and the best up to it."""
    number, every = int(line.cells["proposal"]), proposals(line.records)
    one = every[number]
    before = [of.value for n, of in every.items() if n <= number and of.value is not None]
    fields = axis(line.records)["space"]
    numbers: Numbers = {"outcome": one.outcome, "value": one.value}
    numbers["settings"] = ", ".join(f"{name} = {one.axes[name]}" for name in fields)
    numbers |= {"best_so_far": max(before, default=None)}
    metric = metric_of(line.records)
    test = tested(one.trials, metric)
    of = Line({"metric": metric}, "", (), one.trials, line.records)
    whole = test is not None and len(of.finished) == len(one.trials)
    used = by_seed(one.trials, of.measured(one.trials))[1] if whole else set[str]()
    numbers |= columns(of, [(1, [trial for trial in one.trials if trial.key in used])])
    return Expected(numbers | {"test": test})


def choices(line: Line) -> Expected:
    """What either choice has on test, and how alike they rank."""
    return Expected(*_choices(line.records, line.cells["metric"], line.cells["p"]))


def _choices(records: Records, metric: str, said: str) -> tuple[Numbers, frozenset[str]]:
    known = records.known.setdefault("choices", {})
    if (metric, said) not in known:
        of = done(records)
        scores = {n: one.score for n, one in of.items()}
        tests = {n: tested(one.trials, metric) for n, one in of.items()}
        known[metric, said] = _compared(scores, tests, said), _keys(of)
    return known[metric, said]


def _compared(
    scores: Mapping[int, float | None], tests: Mapping[int, float | None], said: str
) -> Numbers:
    first = sorted(scores, key=lambda n: (-(scores[n] or 0.0), n))[0]
    best = sorted(tests, key=lambda n: (-(tests[n] or 0.0), n != first, n))[0]
    numbers: Numbers = {"proposals": len(scores), "by_selection": first, "by_test": best}
    numbers |= {"test_by_selection": tests[first], "test_by_test": tests[best]}
    numbers |= {"difference": (tests[best] or 0.0) - (tests[first] or 0.0)}
    if len(scores) < 2:
        return numbers | dict.fromkeys((SPEARMAN, f"{SPEARMAN}_low", f"{SPEARMAN}_high", "p"))
    x, y = (ranked([one[n] or 0.0 for n in scores]) for one in (scores, tests))
    return numbers | correlated(x, y, said, SPEARMAN)


def _keys(of: Mapping[int, Proposal]) -> frozenset[str]:
    return frozenset(trial.key for one in of.values() for trial in one.trials)


def importance(line: Line) -> Expected:
    """Of one setting."""
    of, name = done(line.records), line.cells["searched"]
    shares, chances = _importance(line.records)
    numbers: Numbers = {"share": shares[name], "proposals": len(of)}
    near = divergence.near(line.cells["p_holm"], chances[name], len(shares))
    return Expected(numbers | {"p_holm": near}, _keys(of))


def _importance(records: Records) -> tuple[Mapping[str, float], Mapping[str, float]]:
    if "importance" not in records.known:
        of, space = list(done(records).values()), axis(records)["space"]
        columns = {
            name: divergence.column([one.axes[name] for one in of], str(spread["kind"]))
            for name, spread in space.items()
        }
        outcome = [one.value or 0.0 for one in of]
        found = divergence.shares(columns, outcome), divergence.chances(columns, outcome)
        records.known["importance"] = found
    return records.known["importance"]


def chosen_words(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many finished, and the value of the best."""
    of = done(records)
    best = of[chosen(records)].value or 0.0
    fields, axes = axis(records)["space"], of[chosen(records)].axes
    told = ", ".join(f"{name} = {axes[name]}" for name in fields)
    named = f"proposal {chosen(records)} ({told})"
    return Allowed(frozenset({f"{len(of)} that finished", named}), (best,))


def _counts(records: Records) -> str:
    """Proposals by what became of them."""
    ends = [one.outcome for one in proposals(records).values()]
    kinds = ("stopped", "diverged", "failed", "in work")
    rest = [f"{ends.count(kind)} {kind}" for kind in kinds if kind in ends]
    return ", ".join([counted(len(done(records)), "finished proposal"), *rest])


def too_few_words(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many have finished."""
    return Allowed(frozenset({counted(len(done(records)), "finished proposal")}))


def history_words(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many came after the best, and how far it is above the second and the last."""
    of = done(records)
    later = sum(n > chosen(records) for n in of)
    values = sorted(one.value or 0.0 for one in of.values())
    gaps = (values[-1] - values[-2], values[-1] - values[0]) if len(of) > 1 else ()
    texts = {f"{later} of {len(of)}", f"proposal {chosen(records)}", _counts(records)}
    return Allowed(frozenset(texts), gaps)


def optimism_words(trials: Sequence[Trial], records: Records) -> Allowed:
    """By the metric of the search."""
    numbers, _ = _choices(records, metric_of(records), "")
    wanted = ("test_by_selection", "test_by_test", "difference")
    values = tuple(float(numbers[name] or 0.0) for name in wanted)
    texts = {f"proposal {numbers[name]}" for name in ("by_selection", "by_test")}
    return Allowed(frozenset(texts | {f"{numbers['proposals']} proposals"}), values)


def agreement_words(trials: Sequence[Trial], records: Records) -> Allowed:
    """Correlation, its ends, and every p that a drawing of orders may give."""
    numbers, _ = _choices(records, metric_of(records), "")
    r, low, high, p = (
        float(numbers[name] or 0.0)
        for name in (SPEARMAN, f"{SPEARMAN}_low", f"{SPEARMAN}_high", "p")
    )
    r, low, high = (f"{one:.2f}".replace("-", "−") for one in (r, low, high))
    told = chances(p, int(numbers["proposals"] or 0))
    return Allowed(frozenset({r, f"{low} to {high}"} | told))


def importance_words(trials: Sequence[Trial], records: Records) -> Allowed:
    """Shares, and of how many proposals."""
    shares, _ = _importance(records)
    n = f"{len(done(records))} proposals"
    return Allowed(frozenset({n, f"n = {n}"}), tuple(shares.values()))


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.kinds.search.proposals_table": proposal,
    "reports.search_optimism.choices_table": choices,
    "reports.search_importance.importance_table": importance,
}
RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed]] = {
    "reports.kinds.search.sentence": chosen_words,
    "reports.search_history.caption": history_words,
    "reports.search_optimism.sentence": optimism_words,
    "reports.search_optimism.agreement": agreement_words,
    "reports.search_importance.sentence": importance_words,
    "reports.search_importance.importance": too_few_words,
}
