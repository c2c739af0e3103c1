"""Correlations of printed pairs, and orders said to be each other's reverse."""

import re
from collections.abc import Sequence

import numpy as np

from reports.audit.checks.check import Check
from reports.audit.checks.statistic import compared_p, r_tail
from reports.audit.claim import Claim, Figure, Finding, Reading, Verdict, WantsMore, joined, judged
from reports.audit.distributions import ranks
from reports.audit.interval import Interval, extremes
from reports.audit.notation import Number, groups, one_number, statements
from reports.audit.reference import is_reference, listed, selected


def paired(claim: Claim) -> tuple[list[Number], list[Number]]:
    """Two lists; numbers with labels (from tables) are paired by label."""
    pairs: list[tuple[str, str]] = re.findall(r"\(([^(),;]+)[,;]([^(),;]+)\)", claim.inputs)
    parts = [text for _, text in _parts(claim.inputs)]
    if pairs and len(parts) == 1:
        parts = [" ".join(pair[side] for pair in pairs) for side in (0, 1)]
    if len(parts) != 2:
        raise WantsMore("write two lists with vs between")
    one, two = (listed(text, claim.folder) for text in parts)
    if one and two and one[0].label and two[0].label:
        by_label = {number.label: number for number in two}
        one = [number for number in one if number.label in by_label]
        two = [by_label[number.label] for number in one]
    if len(one) != len(two) or len(one) < 3:
        raise WantsMore(f"{len(one)} and {len(two)} numbers make no pairs of which to say more")
    return one, two


def _parts(text: str) -> list[tuple[str, str]]:
    """References have colons of their own."""
    return (
        [("", part.strip()) for part in text.split(" vs ")] if is_reference(text) else groups(text)
    )


def pearson(claim: Claim) -> Finding:
    """r of the pairs; p of r with n − 2 degrees of freedom."""
    one, two = paired(claim)
    n = len(one)
    parts = [number.rounded for number in (*one, *two)]

    def r_of(x: np.ndarray) -> float:
        return _r(x[:n], x[n:])

    return _compared(claim, "r", extremes(r_of, parts), n, "Pearson's r")


def spearman(claim: Claim) -> Finding:
    """r of the ranks; equal numbers share a rank. Rounding is not undone: ranks of printed ones."""
    one, two = paired(claim)
    first, second = (ranks([number.value for number in numbers]) for numbers in (one, two))
    value = Interval.exact(round(_r(first, second), 12))
    n = len(one)
    apart = float(((first - second) ** 2).sum())
    short = Interval.exact(round(1 - 6 * apart / (n * (n * n - 1)), 12))
    others = [] if short == value else [Reading("1 − 6Σd²/(n³ − n), made for no ties", short)]
    return _compared(claim, "ρ", value, n, "Spearman's ρ", others)


def _r(x: np.ndarray, y: np.ndarray) -> float:
    a, b = x - x.mean(), y - y.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0 else float("nan")


def _compared(
    claim: Claim, what: str, value: Interval, n: int, name: str, others: Sequence[Reading] = ()
) -> Finding:
    said = statements(claim.printed)
    stated = next((said[key] for key in ("r", "ρ", "rho") if key in said), None)
    number = stated.number if stated else one_number(claim.printed, "the printed correlation")
    found = judged(what, number.rounded, [Reading(name, value), *others])
    if "p" not in said:
        return found
    strength = value.size()
    p = strength.map(lambda r: 2 * r_tail(r, n - 2))
    return joined([found, compared_p(claim.printed, "p", p, name=f"{name} with n = {n}")])


def reversed_orders(claim: Claim) -> Finding:
    """Two orders of the same things, one said to be the other's reverse."""
    orders: list[list[str]] = []
    for text in claim.inputs.split(" vs "):
        rows = selected(text, claim.folder)
        orders.append([row["value"] for row in rows] if rows else text.split())
    if len(orders) != 2 or sorted(orders[0]) != sorted(orders[1]):
        raise WantsMore("write two orders of the same names with vs between")
    differ = sum(a != b for a, b in zip(orders[0], reversed(orders[1]), strict=True))
    figures = (
        Figure("positions that differ", Interval.exact(differ)),
        Figure("of", Interval.exact(len(orders[0]))),
    )
    if not differ:
        return Finding(Verdict.HOLDS, "each is the other's reverse", figures)
    why = f"{differ} of {len(orders[0])} positions differ from the reversed order"
    return Finding(Verdict.IMPOSSIBLE, why, figures)


CHECKS = (
    Check(
        "pearson r",
        ("correlation", "pearson"),
        "inputs two lists with vs between, or pairs (1.0, 2.1) (2.0, 3.9); printed r=-.89, p<.05",
        pearson,
    ),
    Check("spearman rho", ("rank correlation", "spearman"), "as pearson r", spearman),
    Check("reversed orders", ("reversed",), "inputs two orders of names with vs between",
          reversed_orders),
)  # fmt: skip
