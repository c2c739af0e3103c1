"""Means and standard deviations of printed values; error bars; tables whose last row is a mean."""

import re

import numpy as np

from reports.audit.checks.check import Check
from reports.audit.claim import Claim, Figure, Finding, Reading, Verdict, WantsMore, joined, judged
from reports.audit.interval import Interval, average, extremes
from reports.audit.notation import (
    Number,
    Spread,
    counts,
    groups,
    number_option,
    numbers,
    option,
    same_digits,
    spreads,
)
from reports.audit.reference import fitting, is_reference, listed, rows_of


def mean(claim: Claim) -> Finding:
    """The mean of each list, and its sd where one is printed: of the sample (n − 1), or said to be
    of the population; a mean that is the list's largest value is the best run and no mean."""
    stated = _stated(claim.printed)
    lists = [
        (name, values)
        for name, values in ((n, listed(t, claim.folder)) for n, t in _lists(claim.inputs))
        if values
    ]
    if not stated:
        raise WantsMore(f"no mean is printed but {claim.printed!r}")
    if len(lists) != len(stated):
        raise WantsMore(f"{len(lists)} lists and {len(stated)} printed means")
    many = len(lists) > 1
    return joined(
        [
            _mean(name or (f"list {i + 1}" if many else ""), values, one, claim)
            for i, ((name, values), one) in enumerate(zip(lists, stated, strict=True))
        ]
    )


def _lists(text: str) -> list[tuple[str, str]]:
    if is_reference(text):
        return [("", part) for part in text.split(" | ")]
    return [(name or re.sub(r"[-−+]?[\d.,]+", "", part).strip(), part)
            for name, part in groups(text)]  # fmt: skip


def _stated(text: str) -> list[Spread | Number]:
    found: list[Spread | Number] = []
    for part in re.split(r"\s+and\s+|;|\s+/\s+|,\s", text):
        both = spreads(part)
        found += both or numbers(part)[:1]
    return found


def _mean(name: str, values: list[Number], stated: Spread | Number, claim: Claim) -> Finding:
    printed = stated.mean if isinstance(stated, Spread) else stated
    middle = _middle(values, claim)
    readings = [Reading("the mean", middle)]
    if len(values) > 1:
        best = max(values, key=lambda value: value.value)
        readings.append(Reading("the largest of the values", best.rounded, usual=False))
    what = f"mean of {name}" if name else "mean"
    found = judged(what, printed.rounded, readings)
    off = Figure("printed minus recomputed", Interval.exact(round(printed.value - middle.value, 6)))
    sd, judged_sd = _deviation(name, values, stated)
    result = joined([found, *judged_sd])
    figures = (Figure(what, middle), *sd, off)
    return Finding(result.verdict, result.why, figures, result.condition)


def _middle(values: list[Number], claim: Claim) -> Interval:
    """Of the values, or of their sum and their number: `mean of 15 classes`, `sum 1477.11`."""
    said = counts(claim.test, "n") or [int(many) for many in re.findall(r"of (\d+)", claim.test)]
    if len(values) > 1 and (not said or said[0] == len(values)):
        return average([value.rounded for value in values])
    if len(values) == 1 and said and re.match(r"\s*sum\b", claim.inputs):
        return values[0].rounded / Interval.exact(said[0])
    raise WantsMore(f"{len(values)} values" + (f" of {said[0]}" if said else ""))


def _deviation(
    name: str, values: list[Number], stated: Spread | Number
) -> tuple[list[Figure], list[Finding]]:
    what = f"sd of {name}" if name else "sd"
    if len(values) < 2:
        return [], []
    parts = [value.rounded for value in values]
    sample = extremes(lambda x: float(x.std(ddof=1)), parts)
    root = np.sqrt(len(parts))
    readings = [
        Reading("the sample's sd", sample),
        Reading("the population's sd", extremes(lambda x: float(x.std()), parts), usual=False),
        Reading("the standard error", sample * Interval.exact(1 / root), usual=False),
    ]
    if not isinstance(stated, Spread):
        return [Figure(what, sample)], []
    return [Figure(what, sample)], [judged(what, stated.spread.rounded, readings)]


def means_of_a_table(claim: Claim) -> Finding:
    """Every mean of a long table (one line per method, class and metric) against its classes. The
    line whose class is `mean` is the printed mean."""
    found = re.match(r"(?P<file>[\w./-]+\.csv)\s*(?:where\s+(?P<where>.*))?$", claim.inputs.strip())
    if not found:
        raise WantsMore("write per_class.csv where source~table, metric=pixel_ap")
    path = claim.folder / found["file"]
    names = [part.strip() for part in (option(claim.test, "by") or "method+metric").split("+")]
    cells: dict[tuple[str, ...], dict[str, Number]] = {}
    for row in fitting(rows_of(path), found["where"] or "", path):
        value = numbers(row["value_percent"])
        if value:
            cells.setdefault(tuple(row[n] for n in names), {})[row["class"]] = value[0]
    wrong: list[tuple[str, Interval, Number]] = []
    checked, apart = 0, 0.0
    for key, row in cells.items():
        printed = row.pop("mean", None)
        if printed is None or len(row) < 2:
            continue
        checked += 1
        middle = average([value.rounded for value in same_digits(list(row.values()))])
        if not printed.rounded.meets(middle):
            wrong.append((" ".join(key), middle, printed))
        else:
            apart = max(apart, abs(middle.value - printed.value))
    figures = [Figure("means", Interval.exact(checked)),
               Figure("of them agree", Interval.exact(checked - len(wrong))),
               Figure("within", Interval.exact(round(apart, 6)))]  # fmt: skip
    figures += [Figure(name, middle) for name, middle, _ in wrong]
    if not checked:
        raise WantsMore("no line of the table is a mean beside its classes")
    if not wrong:
        return Finding(Verdict.HOLDS, f"all {checked} means agree", tuple(figures))
    told = [f"{name}: {printed.text}, and the classes give {middle.value:.4g}"
            for name, middle, printed in wrong]  # fmt: skip
    return Finding(Verdict.IMPOSSIBLE, "; ".join(told), tuple(figures))


def constant_spread(claim: Claim) -> Finding:
    """`values` and their `spread`: a sd that is the same for every value was not measured; one run
    has none; and no bar of a share ends above 100 %."""
    parts = dict(groups(claim.inputs.replace(".csv:", ".csv\0")))
    parts = {name: text.replace("\0", ":") for name, text in parts.items()}
    both = spreads(claim.inputs)
    if len(both) > 1:
        parts = {
            "values": " ".join(one.mean.text for one in both),
            "spread": " ".join(one.spread.text for one in both),
        }
    if "values" not in parts or "spread" not in parts:
        raise WantsMore("write values: 99.1 100 98.2; spread: 0.1 0.1 0.1, or 99.1+-0.1 100+-0.1")
    values, bars = listed(parts["values"], claim.folder), numbers(parts["spread"])
    if len(bars) == 1:
        bars *= len(values)
    if len(bars) != len(values):
        raise WantsMore(f"{len(values)} values and {len(bars)} spreads")
    limit = number_option(claim.test, "limit", float("inf"))
    high = [a for a, b in zip(values, bars, strict=True) if a.value + b.value > limit + 1e-9]
    top = max(a.value + b.value for a, b in zip(values, bars, strict=True))
    constant = len({bar.value for bar in bars}) == 1 and len(bars) > 2
    figures = [Figure("values", Interval.exact(len(values)))]
    found: list[str] = []
    if constant:
        figures.append(Figure("the same spread", Interval.exact(bars[0].value)))
        found.append(f"all {len(values)} values have the spread {bars[0].text}")
    if high:
        figures += [Figure("bars above the limit", Interval.exact(len(high))),
                    Figure("highest", Interval.exact(round(top, 9)))]  # fmt: skip
        full = sum(value.value >= limit for value in values)
        figures.append(Figure("values at the limit", Interval.exact(full)))
        found.append(f"{len(high)} bars end above {limit:g}, the highest at {top:g}")
    if counts(claim.test, "n") == [1]:
        found.append("one run has no spread")
    if not found:
        return Finding(Verdict.HOLDS, "the spreads differ, and none passes a limit", tuple(figures))
    return Finding(Verdict.IMPOSSIBLE, "; ".join(found), tuple(figures))


CHECKS = (
    Check(
        "mean",
        ("mean of", "recomputed", "mean and sd"),
        "inputs lists of values with ; between (or columns of tables with | between); printed "
        "98.03 +- 0.19 and 55.78 +- 0.73",
        mean,
    ),
    Check(
        "means of a table",
        (),
        "test means of a table, by=method+metric; inputs per_class.csv where source~table",
        means_of_a_table,
    ),
    Check(
        "constant error bars",
        ("spread given", "error bars"),
        "test constant error bars, n=1, limit=100; inputs values: 99.1 100; spread: 0.1 0.1",
        constant_spread,
    ),
)
