"""p from a printed test statistic and its degrees of freedom."""

import math
import re
from collections.abc import Callable

from reports.audit.checks.check import Check
from reports.audit.claim import Claim, Figure, Finding, Reading, Verdict, WantsMore, judged
from reports.audit.distributions import chi2_tail, f_tail, normal_tail, t_tail
from reports.audit.interval import Interval
from reports.audit.notation import numbers, one_number, statements

_STATISTIC = re.compile(
    r"\b(?P<name>F|t|z|r|chi2|χ2|χ²)\s*(?:\((?P<df>[^)]*)\))?\s*=\s*(?P<value>[-−+]?[\d.,]+)"
)
_TIMES = re.compile(r"(?:[x×]\s*|m\s*=\s*|of\s+)(\d+)\b|\b(\d+)\s+(?:tests|comparisons)")


def p_of_statistic(claim: Claim) -> Finding:
    """The p value of F, t, z, r or chi-squared; Bonferroni's where the claim says so."""
    found = _STATISTIC.search(claim.inputs)
    if found is None:
        raise WantsMore("the inputs name no statistic such as F(1,16)=8.47, t(4)=2.1, z=1.96")
    size = one_number(found["value"], "the statistic").rounded.size()
    df = [number.value for number in numbers((found["df"] or "").replace(",", " "))]
    upper, two_sided = _tail(found["name"], df)
    p = size.map(lambda x: min(1.0, upper(x) * (2 if two_sided else 1)))
    return compared_p(claim.printed, "p", p, one_sided=size.map(upper) if two_sided else None)


def _tail(name: str, df: list[float]) -> tuple[Callable[[float], float], bool]:
    """The upper tail's probability, and whether a test usually takes both tails."""
    needed = {"F": 2, "z": 0}.get(name, 1)
    if len(df) < needed:
        raise WantsMore(f"{name} has {needed} degrees of freedom: write {name}(1,16)=8.47")
    if name == "F":
        return lambda x: f_tail(x, df[0], df[1]), False
    if name == "t":
        return lambda x: t_tail(x, df[0]), True
    if name == "z":
        return lambda x: normal_tail(x), True
    if name == "r":
        return lambda x: r_tail(x, df[0]), True
    return lambda x: chi2_tail(x, df[0]), False


def r_tail(r: float, df: float) -> float:
    """P(R > r) of uncorrelated normal pairs."""
    if r >= 1:
        return 0.0
    return t_tail(r * math.sqrt(df / (1 - r * r)), df)


def compared_p(
    printed: str, what: str, p: Interval, *, one_sided: Interval | None = None, name: str = ""
) -> Finding:
    """A printed p against the recomputed one, corrected where the claim says that it is."""
    stated = statements(printed).get("p")
    raw = Reading(name or "recomputing it", p)
    readings, figures = [raw], [Figure(what, p)]
    if re.search(r"bonferroni|corrected|adjusted|holm", printed, re.I):
        times = _TIMES.search(printed)
        if times:
            many = int(times[1] or times[2])
            corrected = p.map(lambda x: min(1.0, many * x))
            readings = [
                Reading(f"Bonferroni for {many}", corrected),
                Reading("no correction", p, usual=False),
            ]
            figures.append(Figure("corrected", corrected))
    if one_sided is not None:
        readings.append(Reading("one tail instead of two", one_sided, usual=False))
    if stated is None:
        return Finding(Verdict.UNCHECKABLE, "no p is printed", tuple(figures))
    if stated.relation == "=":
        found = judged(what, stated.number.rounded, readings)
        return Finding(found.verdict, found.why, tuple(figures), found.condition)
    shown = f"{what} {stated.relation} {stated.number.text}"
    for reading in readings:
        if stated.admits(reading.interval):
            sure = Verdict.HOLDS if reading.usual else Verdict.CONDITIONAL
            condition = "" if reading.usual else reading.name
            why = f"{shown}, as {reading.name} gives {reading.interval.value:.3g}"
            return Finding(sure, why, tuple(figures), condition)
    why = f"{shown} is printed; {readings[0].name} gives {readings[0].interval.value:.3g}"
    return Finding(Verdict.IMPOSSIBLE, why, tuple(figures))


def eta_squared(claim: Claim) -> Finding:
    """Partial η² = F·df₁ / (F·df₁ + df₂), or SS effect / (SS effect + SS error)."""
    found = re.search(r"F\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)\s*=\s*([\d.]+)", claim.inputs)
    if found:
        first, second = int(found[1]), int(found[2])
        value = one_number(found[3], "F").rounded.map(lambda f: f * first / (f * first + second))
    else:
        sums = numbers(re.sub(r"SS\w*|[A-Za-z_]+", " ", claim.inputs))
        if len(sums) != 2:
            raise WantsMore("write F(1,16)=8.47, or the sums of squares: effect 3.1; error 7.7")
        effect, error = sums[0].rounded, sums[1].rounded
        value = Interval(
            *(
                e / (e + r)
                for e, r in (
                    (effect.low, error.high),
                    (effect.value, error.value),
                    (effect.high, error.low),
                )
            )
        )
    printed = one_number(re.sub(r"η²|η2|eta2", "", claim.printed), "partial η²").rounded
    return judged("partial η²", printed, [Reading("its formula", value)])


CHECKS = (
    Check(
        "p of a statistic",
        ("two-way interaction", "anova", "f test", "p value"),
        "inputs F(1,16)=8.47 (or t, z, r, chi2); printed p=.008, p<.05, Bonferroni-corrected x5",
        p_of_statistic,
    ),
    Check(
        "partial eta squared",
        ("partial η²", "eta squared", "effect size"),
        "inputs F(1,16)=8.47, or effect 3.1; error 7.7; printed 0.35",
        eta_squared,
    ),
)
