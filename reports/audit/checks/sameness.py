"""Copies, statements that should agree, settings that should be the same, names that should fit."""

import re

from reports.audit.checks.check import Check
from reports.audit.claim import Claim, Figure, Finding, Verdict, WantsMore, show
from reports.audit.interval import Interval
from reports.audit.notation import Number, groups, numbers
from reports.audit.reference import is_reference, listed

COPIED_FROM = 3
"""Numbers from which on equality in all digits is no accident."""


def _two(claim: Claim) -> list[tuple[str, list[Number]]]:
    """Lists by name, of `a: 1 2; b: 1 3` or of references with vs between."""
    if is_reference(claim.inputs):
        parts = [("", text) for text in claim.inputs.split(" vs ")]
    else:
        parts = groups(claim.inputs)
    found = [(name or text.strip(), listed(text, claim.folder)) for name, text in parts]
    labelled = all(values and values[0].label for _, values in found)
    if labelled and len(found) == 2:
        by_label = {value.label: value for value in found[1][1]}
        common = [value for value in found[0][1] if value.label in by_label]
        found = [(found[0][0], common), (found[1][0], [by_label[v.label] for v in common])]
    if len(found) < 2 or len({len(values) for _, values in found}) != 1 or not found[0][1]:
        lengths = " and ".join(str(len(values)) for _, values in found)
        raise WantsMore(f"lists of {lengths} numbers; write two of equal length with vs between")
    return found


def copies(claim: Claim) -> Finding:
    """Two lists of separate measurements that are equal in every digit. After the kind, `may be
    equal` where the method itself makes them so."""
    (_, one), (_, two) = _two(claim)[:2]
    equal = sum(a.value == b.value for a, b in zip(one, two, strict=True))
    gap = max(abs(a.value - b.value) for a, b in zip(one, two, strict=True))
    figures = (
        Figure("equal", Interval.exact(equal)),
        Figure("of", Interval.exact(len(one))),
        Figure("largest difference", Interval.exact(round(gap, 9))),
    )
    if equal < len(one) or len(one) < COPIED_FROM:
        return Finding(Verdict.HOLDS, f"{equal} of {len(one)} numbers are equal", figures)
    why = f"all {equal} numbers are equal in every digit, as a copy's are"
    if "may be equal" in claim.test:
        return Finding(Verdict.CONDITIONAL, why, figures, "both were measured and none is a copy")
    return Finding(Verdict.IMPOSSIBLE, why, figures)


def agreement(claim: Claim) -> Finding:
    """The same quantity stated in several places, in the inputs, or in the inputs and in what is
    printed: each pair must leave one number possible. `or NAME: numbers` are other readings."""
    pieces = re.split(r";?\s*\bor\s+([^:;]+):\s*", claim.inputs)
    base = Claim(claim.name, claim.test, pieces[0], claim.printed, folder=claim.folder)
    stated = _two(base) if len(groups(pieces[0])) > 1 or " vs " in pieces[0] else []
    if not stated:
        printed, words = numbers(claim.printed), re.search(r"[^\W\d_]{3,}", pieces[0])
        prose = words is not None and not is_reference(pieces[0])
        found = numbers(claim.recorded) if prose else listed(pieces[0], claim.folder)
        if not found or len(found) != len(printed):
            raise WantsMore("write both statements: main: 98.4 58.2; log: 98.47 58.57")
        stated = [("printed", printed), ("found", found)]
    figures = _all_figures(stated)
    if all(_agree(stated[0][1], values) for _, values in stated[1:]):
        return Finding(Verdict.HOLDS, "the statements agree", figures)
    for name, text in zip(pieces[1::2], pieces[2::2], strict=True):
        if _agree(stated[0][1], numbers(text)):
            why = f"the numbers are those of {name.strip()}"
            return Finding(Verdict.CONDITIONAL, why, figures, f"{name.strip()} is meant")
    swapped = sorted(v.value for v in stated[0][1]) == sorted(v.value for v in stated[1][1])
    why = _difference(stated[0], stated[1]) + (", the same numbers swapped" if swapped else "")
    return Finding(Verdict.IMPOSSIBLE, why, figures)


def _agree(one: list[Number], two: list[Number]) -> bool:
    return len(one) == len(two) and all(
        a.rounded.meets(b.rounded) for a, b in zip(one, two, strict=True)
    )


def _all_figures(stated: list[tuple[str, list[Number]]]) -> tuple[Figure, ...]:
    first, second = stated[0][1], stated[1][1]
    gaps = [abs(a.value - b.value) for a, b in zip(first, second, strict=True)]
    figures = [Figure("mean absolute difference", Interval.exact(round(sum(gaps) / len(gaps), 6)))]
    if len(gaps) > 1:
        figures.append(Figure("largest", Interval.exact(round(max(gaps), 6))))
    return tuple(figures)


def _difference(one: tuple[str, list[Number]], two: tuple[str, list[Number]]) -> str:
    apart = [
        f"{a.label} {a.text} and {b.text}".strip()
        for a, b in zip(one[1], two[1], strict=True)
        if not a.rounded.meets(b.rounded)
    ]
    more = f" and {len(apart) - 4} more" if len(apart) > 4 else ""
    return f"{', '.join(apart[:4])}{more} differ"


def settings(claim: Claim) -> Finding:
    """`run a: layers=8, seed=0; run b: layers=6, seed=0`: what is said to be the same setting."""
    found = [(name, _pairs(text)) for name, text in groups(claim.inputs)]
    if len(found) < 2 or not all(pairs for _, pairs in found):
        raise WantsMore("write one: clip=1.0, seed=42; two: clip=0.5, seed=0")
    names = list(dict.fromkeys(key for _, pairs in found for key in pairs))
    differ = [key for key in names if len({pairs.get(key) for _, pairs in found}) > 1]
    figures = (
        Figure("settings", Interval.exact(len(names))),
        Figure("that differ", Interval.exact(len(differ))),
    )
    if not differ:
        return Finding(Verdict.HOLDS, f"all {len(names)} settings are the same", figures)
    told = [f"{key} ({' / '.join(pairs.get(key, 'none') for _, pairs in found)})" for key in differ]
    return Finding(Verdict.IMPOSSIBLE, f"not the same: {', '.join(told)}", figures)


def _pairs(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def names(claim: Claim) -> Finding:
    """`wanted: a, b; present: A, c`: whether each file, key or column asked for is there; `there`
    or `not there` is what is printed. Case counts, as it does for programs that look keys up
    lowered: write both as they are compared."""
    parts = dict(groups(claim.inputs))
    if "wanted" not in parts or "present" not in parts:
        raise WantsMore("write wanted: image_auc, pixel_ap; present: Image AUC, Pixel AP")
    wanted, present = ([w.strip() for w in parts[k].split(",")] for k in ("wanted", "present"))
    lowered = {name.lower() for name in present}
    there = [name for name in wanted if name.lower() in lowered]
    figures = (
        Figure("names wanted", Interval.exact(len(wanted))),
        Figure("of them there", Interval.exact(len(there))),
    )
    denied = "not there" in claim.printed
    if denied == (not there):
        return Finding(Verdict.HOLDS, f"{len(there)} of {len(wanted)} names are there", figures)
    why = f"{', '.join(there)} there" if there else f"none of {', '.join(wanted)} is there"
    return Finding(Verdict.IMPOSSIBLE, why, figures)


def selection(claim: Claim) -> Finding:
    """`chosen on: test pixel AP; judged on: test pixel AP`: what is chosen by the number that is
    reported is no estimate of it. `best of` and `values` say by how much at least."""
    parts = dict(groups(claim.inputs))
    if "chosen on" not in parts or "judged on" not in parts:
        raise WantsMore("write chosen on: test pixel AP; judged on: test pixel AP")
    same = parts["chosen on"].lower() == parts["judged on"].lower()
    tried = numbers(parts.get("candidates", ""))
    figures = tuple(Figure("candidates", number.given) for number in tried[:1])
    if not same:
        return Finding(Verdict.HOLDS, "chosen and judged on different pictures", figures)
    many = f" of {show(tried[0].value)} candidates" if tried else ""
    why = f"the best{many} by {parts['chosen on']} is reported by the same number: it is no result"
    why += " without the test set"
    return Finding(Verdict.IMPOSSIBLE, why, figures)


CHECKS = (
    Check(
        "copies",
        ("copied rows", "comparison of rows", "copied values"),
        "inputs two lists with vs between: table.csv: value by class where … vs …",
        copies,
    ),
    Check(
        "agreement",
        ("agreement between documents", "against the logs", "summary against log"),
        "inputs paper: 98.4 58.2; log: 98.47 58.57",
        agreement,
    ),
    Check(
        "same settings",
        ("comparison of settings", "configuration", "settings"),
        "inputs one: clip=1.0, seed=42; two: clip=0.5, seed=0",
        settings,
    ),
    Check(
        "names",
        ("does the parser match the header",),
        "inputs wanted: image_auc; present: Image AUC; printed there, or not there",
        names,
    ),
    Check(
        "selection",
        ("model selection",),
        "inputs chosen on: test pixel AP; judged on: test pixel AP; candidates: 10",
        selection,
    ),
)
