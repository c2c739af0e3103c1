"""t tests from mean ± sd and n, or from pairs; confidence intervals of a mean."""

import itertools
import math
import re

import numpy as np

from reports.audit.checks.check import Check
from reports.audit.checks.statistic import compared_p
from reports.audit.claim import Claim, Figure, Finding, Reading, Verdict, WantsMore, joined, judged
from reports.audit.distributions import normal_quantile, t_quantile, t_tail
from reports.audit.interval import Interval, extremes
from reports.audit.notation import (
    Number,
    Spread,
    counts,
    groups,
    measured,
    number_option,
    numbers,
    option,
    same_digits,
    spreads,
    statements,
)


def two_sample_t(claim: Claim) -> Finding:
    """Student's and Welch's t of two means; both are usual, one tail and other ± are not."""
    found = spreads(claim.inputs)
    if len(found) != 2:
        raise WantsMore("write two means with their ±: 55.78+-0.73 vs 54.91+-0.94")
    sizes = _sizes(claim, 2)
    said = meaning(claim.test)
    stated = _p_readings(found, sizes, said or "sd")
    figures = tuple(Figure(f"p ({name})", p) for name, (p, _) in stated.items())
    compared = _compared_t(claim, stated)
    if "p" not in statements(claim.printed):
        if not compared:
            return Finding(Verdict.UNCHECKABLE, "neither p nor t is printed", figures)
        return joined([*compared, Finding(Verdict.HOLDS, "", figures)])
    verdicts = [compared_p(claim.printed, "p", p, name=f"{n}'s t") for n, (p, _) in stated.items()]
    for one in verdicts:
        if one.verdict is Verdict.HOLDS:
            return joined([Finding(one.verdict, one.why, figures), *compared])
    others = [("the test has one tail", {n: (_halved(p), t) for n, (p, t) in stated.items()})]
    if said is None:
        others += [(f"± is {MEANINGS[k]}", _p_readings(found, sizes, k)) for k in ("se", "ci")]
    for what, other in others:
        for name, (p, _) in other.items():
            one = compared_p(claim.printed, "p", p, name=f"{name}'s t")
            if one.verdict is Verdict.HOLDS:
                return Finding(Verdict.CONDITIONAL, one.why, figures, what)
    return Finding(Verdict.IMPOSSIBLE, verdicts[0].why, figures)


MEANINGS = {"sd": "a standard deviation", "se": "a standard error", "ci": "half a 95 % interval"}


def meaning(test: str) -> str | None:
    """What the claim says that its ± is; a standard deviation where it says nothing, and None where
    it says that nobody knows (`+-=?`)."""
    said = option(test, "±") or option(test, "+-") or "sd"
    if "?" in said or "unknown" in said:
        return None
    if "95" in said or "interval" in said or said == "ci":
        return "ci"
    return "se" if said in ("se", "sem") or "error" in said else "sd"


def _halved(p: Interval) -> Interval:
    return p * Interval.exact(0.5)


def _compared_t(claim: Claim, stated: dict[str, tuple[Interval, Interval]]) -> list[Finding]:
    printed = statements(claim.printed).get("t")
    if printed is None:
        return []
    readings = [Reading(f"{name}'s t", t) for name, (_, t) in stated.items()]
    return [judged("t", printed.number.rounded.size(), readings)]


def _sizes(claim: Claim, many: int) -> list[int]:
    found = counts(claim.test, "n") or counts(claim.inputs, "n")
    if not found:
        raise WantsMore("n is not said: write n=3+3 after the kind of test")
    sizes = found if len(found) == many else found * many
    if len(sizes) != many or min(sizes) < 2:
        raise WantsMore(f"n={'+'.join(map(str, found))} gives no spread for {many} groups")
    return sizes


def deviation(spread: Interval, n: int, kind: str) -> Interval:
    """The standard deviation behind a ±: `sd`, `se`, or `ci` (half a 95 % t interval)."""
    if kind == "se":
        return spread * Interval.exact(math.sqrt(n))
    if kind == "ci":
        return spread * Interval.exact(math.sqrt(n) / t_quantile(0.975, n - 1))
    return spread


def _p_readings(
    found: list[Spread], sizes: list[int], kind: str
) -> dict[str, tuple[Interval, Interval]]:
    """Two-tailed p and |t| of both tests, over all that rounds to the printed numbers."""
    means = same_digits([one.mean for one in found])
    difference = (means[0].rounded - means[1].rounded).size()
    sds = [deviation(one.spread.rounded, n, kind) for one, n in zip(found, sizes, strict=True)]
    ends = [
        (gap, *pair)
        for gap in (difference.value, difference.low, difference.high)
        for pair in [
            (sds[0].value, sds[1].value),
            *itertools.product((sds[0].low, sds[0].high), (sds[1].low, sds[1].high)),
        ]
    ]
    result: dict[str, tuple[Interval, Interval]] = {}
    for name, test in (("Student", student), ("Welch", welch)):
        both = np.array([test(gap, a, b, sizes[0], sizes[1]) for gap, a, b in ends])
        result[name] = (_over(both[:, 1]), _over(both[:, 0]))
    return result


def _over(values: np.ndarray) -> Interval:
    return Interval(float(values.min()), float(values[0]), float(values.max()))


def student(gap: float, a: float, b: float, n: int, m: int) -> tuple[float, float]:
    """|t| and two-tailed p with the pooled variance."""
    pooled = ((n - 1) * a * a + (m - 1) * b * b) / (n + m - 2)
    return _t_and_p(gap, math.sqrt(pooled * (1 / n + 1 / m)), n + m - 2)


def welch(gap: float, a: float, b: float, n: int, m: int) -> tuple[float, float]:
    """|t| and two-tailed p with each group's own variance (Welch–Satterthwaite)."""
    u, v = a * a / n, b * b / m
    if u + v == 0:
        return _t_and_p(gap, 0.0, n + m - 2)
    return _t_and_p(gap, math.sqrt(u + v), (u + v) ** 2 / (u * u / (n - 1) + v * v / (m - 1)))


def _t_and_p(gap: float, error: float, df: float) -> tuple[float, float]:
    if error <= 0:
        return (math.inf, 0.0) if gap else (0.0, 1.0)
    return abs(gap) / error, 2 * t_tail(abs(gap) / error, df)


def paired_t(claim: Claim) -> Finding:
    """t of the differences of pairs."""
    same = re.search(r"differences?\s+([-−]?[\d.]+)\s+each", claim.inputs)
    if same:
        if float(same[1].replace("−", "-")) == 0:
            return _undefined()
        raise WantsMore("differences that are all equal have no spread")
    summary = spreads(claim.inputs)
    if len(summary) == 1:
        return _of_differences(claim, summary[0])
    differences = _differences(claim)
    if all(one.low == one.high == 0 or one.value == 0 for one in differences):
        return _undefined()

    def p_of(x: np.ndarray) -> float:
        return _t_and_p(float(x.mean()), float(x.std(ddof=1)) / math.sqrt(len(x)), len(x) - 1)[1]

    def t_of(x: np.ndarray) -> float:
        return _t_and_p(float(x.mean()), float(x.std(ddof=1)) / math.sqrt(len(x)), len(x) - 1)[0]

    p, t = extremes(p_of, differences), extremes(t_of, differences)
    found = compared_p(claim.printed, "p", p, one_sided=_halved(p), name="the paired t")
    stated = statements(claim.printed).get("t")
    if stated is None:
        return found
    compared = judged("t", stated.number.rounded.size(), [Reading("the paired t", t)])
    return compared if "p" not in statements(claim.printed) else joined([found, compared])


def _of_differences(claim: Claim, printed: Spread) -> Finding:
    """From the mean of the differences, their ± and n."""
    n = _sizes(claim, 1)[0]
    spread = deviation(printed.spread.rounded, n, meaning(claim.test) or "sd")
    t = printed.mean.rounded.size() / (spread * Interval.exact(1 / math.sqrt(n)))
    p = t.map(lambda x: 2 * t_tail(x, n - 1))
    found = compared_p(claim.printed, "p", p, one_sided=_halved(p), name="the paired t")
    stated = statements(claim.printed).get("t")
    if stated is None:
        return found
    compared = judged("t", stated.number.rounded.size(), [Reading("the paired t", t)])
    return compared if "p" not in statements(claim.printed) else joined([found, compared])


def _differences(claim: Claim) -> list[Interval]:
    parts = groups(claim.inputs)
    lists = [measured(text) for _, text in parts]
    if len(lists) == 1 and len(lists[0]) > 1:
        return [number.rounded for number in lists[0]]
    if len(lists) != 2 or len(lists[0]) != len(lists[1]) or len(lists[0]) < 2:
        raise WantsMore("write two lists of equal length: 98.1 98.2 97.9 vs 97.8 98.0 97.7")
    pairs: list[Number] = same_digits([*lists[0], *lists[1]])
    half = len(lists[0])
    return [a.rounded - b.rounded for a, b in zip(pairs[:half], pairs[half:], strict=True)]


def _undefined() -> Finding:
    return Finding(
        Verdict.IMPOSSIBLE,
        "t of identical pairs is undefined: 0/0, so that no p exists",
        (Figure("t = 0/0, mean difference", Interval.exact(0.0)),),
    )


def confidence_interval(claim: Claim) -> Finding:
    """mean ± t(n − 1)·sd/√n; the normal quantile, and ± as a standard error, are said."""
    found = spreads(claim.inputs)
    ends = numbers(re.sub(r"\d+\s*%", "", claim.printed))[-2:]
    if len(found) != 1 or len(ends) != 2:
        raise WantsMore("inputs 55.80+-0.35, printed [55.37, 56.23], and n=5 after the test")
    n, level = _sizes(claim, 1)[0], number_option(claim.test, "level", 95.0) / 100
    if not 0 < level < 1:
        raise WantsMore(f"level={100 * level:g} is no percentage of an interval")
    mean, spread = found[0].mean.rounded, found[0].spread.rounded
    root = math.sqrt(n)
    factors = [
        ("t and sd", t_quantile(0.5 + level / 2, n - 1) / root, True),
        ("the normal quantile and sd", normal_quantile(0.5 + level / 2) / root, False),
        ("t, where ± is a standard error", t_quantile(0.5 + level / 2, n - 1), False),
        ("the normal quantile, where ± is a standard error",
         normal_quantile(0.5 + level / 2), False),
        ("± itself", 1.0, False),
    ]  # fmt: skip
    usual = spread * Interval.exact(factors[0][1])
    figures = (Figure("low", mean - usual), Figure("high", mean + usual))
    low, high = (number.rounded for number in same_digits(ends))
    for name, factor, plain in factors:
        half = spread * Interval.exact(factor)
        if low.meets(mean - half) and high.meets(mean + half):
            why = f"the interval is what {name} give"
            if plain:
                return Finding(Verdict.HOLDS, why, figures)
            return Finding(Verdict.CONDITIONAL, why, figures, f"it was made from {name}")
    why = (
        f"printed [{ends[0].text}, {ends[1].text}]; the cells give "
        f"[{(mean - usual).value:.4g}, {(mean + usual).value:.4g}]"
    )
    return Finding(Verdict.IMPOSSIBLE, why, figures)


CHECKS = (
    Check(
        "two-sample t",
        ("t test", "two sample t", "welch t", "student t", "unpaired t"),
        "test two-sample t, n=3+3; inputs 55.78+-0.73 vs 54.91+-0.94; printed p=.032 (or t=2.1)",
        two_sample_t,
    ),
    Check(
        "paired t",
        ("t of identical pairs", "paired t test", "paired t-test"),
        "inputs two lists with vs between, or the differences; printed p=.03 (or t=2.1)",
        paired_t,
    ),
    Check(
        "confidence interval",
        ("interval of a mean", "95 % interval"),
        "test confidence interval, n=5; inputs 55.80+-0.35; printed [55.37, 56.23]",
        confidence_interval,
    ),
)
