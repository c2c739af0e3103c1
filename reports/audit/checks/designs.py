"""Groups and cells: equivalence of several means, the interaction of two factors, observations
that a test needs.
"""

import math
import re

import numpy as np

from reports.audit.checks.check import Check
from reports.audit.checks.samples import deviation, meaning
from reports.audit.checks.statistic import compared_p
from reports.audit.claim import Claim, Figure, Finding, Verdict, WantsMore, joined, show
from reports.audit.distributions import f_tail, root, t_power, t_quantile, t_tail
from reports.audit.interval import Interval, extremes
from reports.audit.notation import (
    counts,
    number_option,
    numbers,
    option,
    same_digits,
    spreads,
    statements,
)

POWER = 0.8
ALPHA = 0.05


def equivalence(claim: Claim) -> Finding:
    """Groups said not to differ: F and p, the difference that would have been found (t test of two
    groups, power 80 %), and the margin that two one-sided tests of the widest pair need."""
    n = _n(claim)
    found = spreads(claim.inputs)
    if len(found) < 2:
        return _equivalence_of_sd(claim, n)
    means = [number.rounded for number in same_digits([one.mean for one in found])]
    sds = [one.spread.rounded for one in found]
    k = len(means)

    def f_of(x: np.ndarray) -> float:
        between = n * float(((x[:k] - x[:k].mean()) ** 2).sum()) / (k - 1)
        return between / float((x[k:] ** 2).mean())

    f = extremes(f_of, [*means, *sds])
    p = f.map(lambda x: f_tail(x, k - 1, k * (n - 1)))
    sd = math.sqrt(sum(s.value**2 for s in sds) / k)
    wide = _margin_needed([m.value for m in means], [s.value for s in sds], n)
    figures = (
        Figure(f"F({k - 1},{k * (n - 1)})", f),
        Figure("p", p),
        Figure("minimum detectable difference", Interval.exact(round(detectable(sd, n), 6))),
        Figure("margin that the widest pair needs", Interval.exact(round(wide, 6))),
    )
    if option(claim.test, "margin"):
        return _within(number_option(claim.test, "margin", 0.0), wide, figures)
    if "p" in statements(claim.printed):
        return compared_p(claim.printed, "p", p, name="one-way analysis of variance")
    return Finding(
        Verdict.CONDITIONAL,
        f"no difference is shown (p = {p.value:.2f}), and no equivalence either: {n} runs a group "
        f"find differences from {detectable(sd, n):.2g} on, and two one-sided tests of the widest "
        f"pair pass at ±{wide:.2f}",
        figures,
        f"differences of up to {wide:.2f} count as none",
    )


def _within(margin: float, wide: float, figures: tuple[Figure, ...]) -> Finding:
    if wide <= margin:
        return Finding(Verdict.HOLDS, f"the widest pair is equivalent within ±{margin:g}", figures)
    why = f"equivalence within ±{margin:g} is not shown: the widest pair needs ±{wide:.2f}"
    return Finding(Verdict.IMPOSSIBLE, why, figures)


def _equivalence_of_sd(claim: Claim, n: int) -> Finding:
    found = re.search(r"sd\s+(?:of\s+)?(.*)", claim.inputs)
    if not found or not numbers(found[1]):
        raise WantsMore("write the groups as 55.78+-0.73; 55.42+-0.81, or sd 0.77")
    sd = numbers(found[1])[0].rounded
    least = sd.map(lambda x: detectable(x, n))
    return Finding(
        Verdict.CONDITIONAL,
        f"no means are printed; {n} runs a group find differences from {least.value:.2g} on "
        "(power 80 %)",
        (Figure("minimum detectable difference", least),),
        f"differences below {least.value:.2g} count as none",
    )


def _n(claim: Claim) -> int:
    found = counts(claim.test, "n") or counts(claim.inputs, "n")
    if not found or found[0] < 2:
        raise WantsMore("n, the runs a group, is not said or below 2: write n=3 after the kind")
    return found[0]


def detectable(sd: float, n: int) -> float:
    """The difference of two groups of n that a t test finds with power 80 % (noncentral t)."""
    df, unit = 2 * (n - 1), sd * math.sqrt(2 / n)
    critical = t_quantile(1 - ALPHA / 2, df)

    def short(effect: float) -> float:
        return t_power(effect, df, critical) - POWER

    enough = 1.0
    while short(enough) < 0:
        enough *= 1.3
    return unit * root(short, 0.1, enough)


def _margin_needed(means: list[float], sds: list[float], n: int) -> float:
    """Where two one-sided tests of the smallest and the largest mean both reach 5 %."""
    a, b = int(np.argmin(means)), int(np.argmax(means))
    error = math.sqrt((sds[a] ** 2 + sds[b] ** 2) / n)
    return means[b] - means[a] + t_quantile(1 - ALPHA, 2 * (n - 1)) * error


def four_cells(claim: Claim) -> Finding:
    """y₁₁ − y₁₀ − y₀₁ + y₀₀ of the cells both, first only, second only, neither. Negative: what one
    adds is less where the other is there, which is redundancy and not synergy (larger is better).
    """
    found = spreads(claim.inputs)
    plain = [one.mean for one in found] if found else numbers(claim.inputs)
    if len(plain) != 4:
        raise WantsMore("write four cells: both, first only, second only, neither")
    cells = [number.rounded for number in same_digits(plain)]
    effect = cells[0] - cells[1] - cells[2] + cells[3]
    figures = [Figure("interaction", effect)]
    findings = [_sign(claim, effect, figures[0])]
    if found:
        findings += _with_error(claim, effect, [one.spread.rounded for one in found])
    return joined(findings)


def _sign(claim: Claim, effect: Interval, figure: Figure) -> Finding:
    better = -1.0 if "lower is better" in claim.test else 1.0
    words = {"synergy": 1.0, "synergistic": 1.0, "redundan": -1.0, "antagonis": -1.0}
    said = [sign for word, sign in words.items() if word in claim.printed.lower()]
    stated = numbers(claim.printed)
    if stated and not stated[0].rounded.meets(effect):
        why = f"the cells give {show(effect.value)} and not {stated[0].text}"
        return Finding(Verdict.IMPOSSIBLE, why, (figure,))
    ends = (effect.low * better, effect.high * better)
    if said and max(end * said[0] for end in ends) < 0:
        truth = "redundancy" if said[0] > 0 else "synergy"
        why = f"an interaction of {show(effect.value)} means {truth}"
        return Finding(Verdict.IMPOSSIBLE, why, (figure,))
    return Finding(Verdict.HOLDS, f"the cells give {show(effect.value)}", (figure,))


def _with_error(claim: Claim, effect: Interval, spread: list[Interval]) -> list[Finding]:
    n = _n(claim)
    kind = meaning(claim.test) or "sd"
    variance = Interval.exact(0.0)
    for one in spread:
        variance = variance + deviation(one, n, kind).power(2) / Interval.exact(n)
    error, df = variance.root(), 4 * (n - 1)
    half = error * Interval.exact(t_quantile(0.975, df))
    low, high = effect - half, effect + half
    t = effect.size() / error
    p = t.map(lambda x: 2 * t_tail(x, df))
    figures = (Figure("low", low), Figure("high", high), Figure("p", p))
    bracket = re.search(r"\[([^\]]+)\]", claim.printed)
    results = [Finding(Verdict.HOLDS, "", figures)]
    if bracket:
        ends = same_digits(numbers(bracket[1].replace(",", " ")))
        fits = len(ends) == 2 and ends[0].rounded.meets(low) and ends[1].rounded.meets(high)
        why = f"the 95 % interval of the cells is [{low.value:.2f}, {high.value:.2f}]"
        results.append(Finding(Verdict.HOLDS if fits else Verdict.IMPOSSIBLE, why, figures))
    if "p" in statements(claim.printed):
        results.append(compared_p(claim.printed, "p", p, name="the contrast of the cells"))
    return results


def degrees_of_freedom(claim: Claim) -> Finding:
    """An F(a, b) of cells with equal numbers of runs has b = runs − cells."""
    found = re.search(r"F\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)", f"{claim.inputs} {claim.printed}")
    cells, runs = counts(claim.inputs, "cells"), counts(claim.inputs, "runs")
    if not found or not cells or not runs:
        raise WantsMore("write F(1,16); cells=4; runs=8")
    error, there = int(found[2]), runs[0] - cells[0]
    asked = counts(claim.inputs, "model cells") or [(int(found[1]) + 1) ** 2]
    figures = (
        Figure("runs that it needs", Interval.exact(error + asked[0])),
        Figure("runs", Interval.exact(runs[0])),
        Figure("cells", Interval.exact(cells[0])),
        Figure("degrees of freedom of the error", Interval.exact(there)),
    )
    if there == error:
        return Finding(Verdict.HOLDS, f"{runs[0]} runs in {cells[0]} cells leave {there}", figures)
    what = "no error term" if there <= 0 else f"{there} degrees of freedom"
    why = f"{runs[0]} runs in {cells[0]} cells leave {what}, and F has {error}"
    return Finding(Verdict.IMPOSSIBLE, why, figures)


def replicates(claim: Claim) -> Finding:
    """Runs that a claim is said to rest on, and runs that are there."""
    said, there = counts(claim.inputs, "said"), counts(claim.inputs, "found")
    if not said or not there:
        raise WantsMore("write said=15; found=5")
    figures = (
        Figure("runs said", Interval.exact(said[0])),
        Figure("runs found", Interval.exact(there[0])),
    )
    if there[0] >= said[0]:
        return Finding(Verdict.HOLDS, f"all {said[0]} runs are there", figures)
    if not there[0]:
        why = f"none of the {said[0]} runs can be found, so that nothing can be recomputed"
        return Finding(Verdict.UNCHECKABLE, why, figures)
    why = f"{said[0]} runs are said and {there[0]} found"
    return Finding(Verdict.IMPOSSIBLE, why, figures)


CHECKS = (
    Check(
        "equivalence",
        ("one-way anova", "order does not matter"),
        "test equivalence, n=3, margin=1.0; inputs 55.78+-0.73; 55.42+-0.81; …",
        equivalence,
    ),
    Check(
        "interaction of four cells",
        ("four cells", "interaction"),
        "test interaction of four cells, n=5, +-=95 % interval; inputs both, first only, second "
        "only, neither; printed -0.5 [-0.9, -0.1] p=.018 synergy",
        four_cells,
    ),
    Check(
        "degrees of freedom",
        ("observations",),
        "inputs F(1,16); cells=4; runs=20",
        degrees_of_freedom,
    ),
    Check("replicates", ("runs", "number of runs"), "inputs said=15; found=5", replicates),
)
