"""Values that no data of the printed size can give: means of whole numbers (GRIM), percentages of
counts, AUROC of few pictures."""

import math
import re

from reports.audit.checks.check import Check
from reports.audit.claim import Claim, Figure, Finding, Verdict, WantsMore
from reports.audit.interval import Interval
from reports.audit.notation import Number, counts, numbers, spreads


def _n(claim: Claim, name: str = "n") -> int:
    found = counts(claim.inputs, name) or counts(claim.test, name)
    if not found or found[0] < 1:
        raise WantsMore(f"{name} is not said: write {name}=25")
    return found[0]


def _printed(claim: Claim) -> Number:
    found = numbers(claim.printed)
    if not found:
        raise WantsMore(f"no number is printed but {claim.printed!r}")
    return found[0]


def _on_grid(printed: Number, steps: int, scale: float, what: str) -> Finding:
    """Whether k·scale/steps rounds to the number for a whole k."""
    size = scale / steps
    ends = printed.rounded
    slack = 1e-9 * max(1.0, abs(printed.value))
    first, last = math.ceil((ends.low - slack) / size), math.floor((ends.high + slack) / size)
    nearest = round(printed.value / size)
    figures = (
        Figure("nearest possible", Interval.exact(round(nearest * size, 6))),
        Figure("step", Interval.exact(size)),
    )
    if first > last:
        below = math.floor(printed.value / size)
        why = (
            f"{printed.text} is no value of {what}: possible beside it are {below * size:.4f} and "
            f"{(below + 1) * size:.4f}"
        )
        return Finding(Verdict.IMPOSSIBLE, why, figures)
    if size <= printed.unit:
        why = f"steps of {size:.2g} are finer than the last digit: every value is possible"
        return Finding(Verdict.HOLDS, why, figures)
    return Finding(Verdict.HOLDS, f"{nearest} of {steps} gives {nearest * size:.6g}", figures)


def grim(claim: Claim) -> Finding:
    """The mean of n whole numbers is a multiple of 1/n; with a sd (n − 1), n times the sum of
    squares is a whole number too, of the same parity as the sum."""
    n, found = _n(claim), spreads(claim.printed)
    mean = found[0].mean if found else _printed(claim)
    first = _on_grid(mean, n, 1.0, f"a mean of {n} whole numbers")
    if not found or first.verdict is Verdict.IMPOSSIBLE or n < 2:
        return first
    spread = found[0].spread.rounded
    low, high = mean.rounded.low * n, mean.rounded.high * n
    for total in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1):
        least, most = (
            (n - 1) * max(end, 0.0) ** 2 + total * total / n for end in (spread.low, spread.high)
        )
        squares = range(math.ceil(least - 1e-6), math.floor(most + 1e-6) + 1)
        if any((square - total) % 2 == 0 for square in squares):
            return first
    why = f"no {n} whole numbers have the mean {mean.text} and the sd {found[0].spread.text}"
    return Finding(Verdict.IMPOSSIBLE, why, first.figures)


def percentage(claim: Claim) -> Finding:
    """A percentage of n things is a multiple of 100/n."""
    n = _n(claim)
    return _on_grid(_printed(claim), n, 100.0, f"a percentage of {n}")


def auroc(claim: Claim) -> Finding:
    """AUROC of a normal and b anomalous pictures is a multiple of 1/(2ab), where scores may be
    equal; of 1/(ab) where they are said to differ (`no ties`)."""
    pairs = _n(claim, "normal") * _n(claim, "anomalous")
    printed = _printed(claim)
    scale = 100.0 if printed.percent or printed.value > 1 else 1.0
    if printed.rounded.low > scale:
        return Finding(Verdict.IMPOSSIBLE, f"{printed.text} is above {scale:g}")
    ties = 1 if "no ties" in claim.test else 2
    return _on_grid(printed, pairs * ties, scale, f"an AUROC of {pairs} pairs of pictures")


def bounded(claim: Claim) -> Finding:
    """A share lies within 0 and 100 (`limits=0..1` for others), and n values within limits a and b
    with mean m have a sd of at most √((m − a)(b − m)·n/(n − 1))."""
    said = re.search(r"limits\s*=\s*([\d.]+)\s*\.\.\s*([\d.]+)", claim.test)
    low, high = (float(said[1]), float(said[2].rstrip("."))) if said else (0.0, 100.0)
    with_spread = spreads(claim.printed)
    values = [one.mean for one in with_spread] or numbers(claim.printed)
    outside = [one.text for one in values if one.rounded.high < low or one.rounded.low > high]
    if outside:
        why = f"{', '.join(outside)} lies outside of {low:g} to {high:g}"
        return Finding(Verdict.IMPOSSIBLE, why)
    for one in with_spread:
        n, mean = _n(claim), one.mean.rounded
        if n < 2:
            return Finding(Verdict.IMPOSSIBLE, "one value has no ±")
        best = min(max((low + high) / 2, mean.low), mean.high)
        most = math.sqrt(max((best - low) * (high - best), 0.0) * n / (n - 1))
        if one.spread.rounded.low > most + 1e-9:
            why = f"{n} values between {low:g} and {high:g} with mean {one.mean.text} have a sd of "
            why += f"at most {most:.4g}, and {one.spread.text} is printed"
            return Finding(Verdict.IMPOSSIBLE, why, (Figure("largest sd", Interval.exact(most)),))
    return Finding(Verdict.HOLDS, f"within {low:g} to {high:g}")


CHECKS = (
    Check(
        "mean of whole numbers",
        ("grim", "granularity"),
        "inputs n=25; printed 3.47, or 3.48 +- 1.02",
        grim,
    ),
    Check(
        "percentage of a count",
        ("percentage", "share of a count"),
        "inputs n=150; printed 99.33 %",
        percentage,
    ),
    Check("auroc", ("auroc of few images",), "inputs normal=20; anomalous=63; printed 99.2", auroc),
    Check(
        "bounded values",
        ("possible values", "range of values"),
        "test bounded values, limits=0..100; inputs n=3; printed 98.9 +- 12.0, or values",
        bounded,
    ),
)
