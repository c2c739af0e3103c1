"""The second way to what is said of many variants at once: how many have which verdict, and whether
they keep it over test pictures; of one table, or of all tables of a metric together."""

import itertools
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from moleflow.wording import from_fewest
from reports.audit.contrasts import Paired, all_of, by_class, is_no_op, named_of, paired, tables
from reports.audit.crossings import judged
from reports.audit.over_pictures import METRICS, of_parts
from reports.audit.recomputed import names_of
from reports.audit.records import Records, Trial
from reports.audit.second_way import Line
from reports.audit.words import CLOSE, Allowed, numbers_of_seeds, whole_units, without

DRAWN = ("difference", "interval_low", "interval_high", "both_low", "both_high")
"""What a figure's caption tells of a class."""
MOST_PANELS = 12
"""Variants that the figure by class has room for."""
NAMED = 3
"""Variants of a verdict that a sentence names; the others are counted."""


@dataclass(frozen=True)
class Judged:
    """A variant that is compared."""

    label: str
    pair: Paired
    verdict: str
    interval: tuple[float, float] | None
    """Of its difference, over seeds."""
    no_op: bool
    """Its numbers are the baseline's."""

    @property
    def difference(self) -> float:
        return statistics.mean(self.pair.after) - statistics.mean(self.pair.before)


def together(records: Records) -> list[tuple[str, list[Judged]]]:
    """By metric, the variants of each table, and of all tables of the metric."""
    name = f"judged {' '.join(records.margins)}"
    if name not in records.known:
        found: list[tuple[str, list[Judged]]] = []
        for metric, margin in records.margins.items():
            each = [[*_judged(records, metric, margin, *of)] for of in tables(records)]
            scopes = each if len(each) == 1 else [*each, [one for of in each for one in of]]
            found += [(metric, scope) for scope in scopes]
        records.known[name] = found
    return records.known[name]


def _judged(
    records: Records, metric: str, margin: float, baseline: str, others: Sequence[str]
) -> Iterator[Judged]:
    line = Line({"metric": metric, "baseline": baseline, "setting": others[0]}, "", (), (), records)
    results = all_of(line, margin)
    for label, result in results.items():
        pair = paired(line, baseline, label)
        assert pair is not None
        verdict = str(judged(results, label, margin, {})["verdict"])
        yield Judged(label, pair, verdict, result.interval, is_no_op(records, baseline, label))


def _of(trials: Sequence[Trial], found: Iterable[Judged]) -> bool:
    """Whether just these trials are named."""
    keys = frozenset[str]().union(*(one.pair.keys for one in found))
    return keys == frozenset(trial.key for trial in trials)


def decided(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many variants have a verdict, of those that are compared and no no-ops, and over how many
    seeds."""
    texts: set[str] = set()
    for _, found in together(records):
        real = [one for one in found if not one.no_op]
        if real and _of(trials, real):
            with_one = sum(one.verdict != "undecided" for one in real)
            texts |= {f"{with_one} of {len(real)}", _seeds(real)}
        texts |= {_seeds(found)} if found and _of(trials, found) else set()
    return Allowed(frozenset(texts))


def answer(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many have a verdict, what is left out, the verdicts of just these trials, and how many
    more have one; the name of a variant of just these, if it is one to tell; seeds, differences and
    times of comparisons of these trials."""
    texts = set(decided(trials, records).texts)
    named = frozenset(trial.key for trial in trials)
    values: list[float] = []
    for _, every in together(records):
        found = [one for one in every if not one.no_op]
        if _of(trials, found):
            texts.add(without(sum(one.pair.left_out for one in found), "pair"))
        for told in {one.verdict for one in found}:
            alike = [one for one in found if one.verdict == told]
            texts |= {told, f"{len(alike) - NAMED} more"} if _of(trials, alike) else set()
        for one in _told(found):
            texts |= names_of(one.label) if one.pair.keys == named else set()
        own = [one for one in found if one.pair.keys <= named]
        values += [one.difference for one in own]
        texts |= numbers_of_seeds(len(one.pair.before) for one in own)
        texts |= {whole_units(one.pair.seconds) for one in own}
    return Allowed(frozenset(texts - {""}), tuple(values))


def _told(found: Sequence[Judged]) -> Iterator[Judged]:
    """Variants that are told by name: of each verdict those that differ most, and where none has
    one, the one that does."""
    decided = any(one.verdict != "undecided" for one in found)
    for one in found:
        alike = [of for of in found if of.verdict == one.verdict]
        larger = sum(abs(of.difference) > abs(one.difference) + CLOSE for of in alike)
        if larger < (NAMED if decided else 1) and decided == (one.verdict != "undecided"):
            yield one


def class_sentence(trials: Sequence[Trial], records: Records) -> Allowed:
    """Differences of classes between the two settings that are named; over how many seeds those
    are that are drawn."""
    labels = named_of(trials, records)
    values: list[float] = []
    classes = sorted({name for trial in trials for name in trial.classes})
    for metric, one, other in itertools.product(records.margins, labels, labels):
        cells = {"metric": metric, "baseline": one, "setting": other}
        if one == other or paired(Line(cells, "", (), (), records), one, other) is None:
            continue
        for name in classes:
            line = Line({**cells, "class": name}, "", (), (), records)
            numbers = by_class(line).numbers if line.measured(trials) else {}
            values += [float(numbers[k] or 0.0) for k in DRAWN if k in numbers]
    seeds: set[str] = set()
    for _, found in together(records):
        drawn = found[:MOST_PANELS]
        seeds |= {_seeds(drawn)} if drawn and _of(trials, drawn) else set()
    return Allowed(frozenset(seeds), tuple(values))


def _seeds(found: Sequence[Judged]) -> str:
    """From the fewest to the most."""
    return from_fewest((len(one.pair.before) for one in found), "seed")


def clear_of_zero(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many variants that are better or worse stay so over test pictures, too."""
    texts: set[str] = set()
    for metric, every in together(records):
        found = [one for one in every if one.verdict in ("better", "worse")]
        if metric in METRICS and found and _of(trials, found):
            clear = sum(_is_clear(records, metric, one) for one in found)
            texts.add(f"{clear} of {len(found)}")
    return Allowed(frozenset(texts))


def _is_clear(records: Records, metric: str, one: Judged) -> bool:
    both = of_parts(records, list(zip((-1, 1), one.pair.sides, strict=True)), metric)
    low, high = (0.0, 0.0) if isinstance(both, str) else both.both(one.interval)
    return (low or 0) * (high or 0) > 0


RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed]] = {
    "reports.contrasts.forest": decided,
    "reports.class_contrasts.class_forest": class_sentence,
    "reports.verdicts.sentences": answer,
    "reports.verdicts.on_other_pictures": clear_of_zero,
}
