"""Counts, sums and ratios from a printed formula; relations between printed numbers; effects."""

import re

from reports.audit.checks.check import Check
from reports.audit.claim import Claim, Figure, Finding, Reading, Verdict, WantsMore, joined, judged
from reports.audit.formula import definitions, evaluate
from reports.audit.interval import Interval, total
from reports.audit.notation import MULTIPLES, Number, groups, numbers, same_digits

_OTHERWISE = re.compile(r";?\s*\bor\s+([^:=;]+):\s*")


def arithmetic(claim: Claim) -> Finding:
    """The last formula is the claim's number; `or NAME: formula` are readings that somebody would
    have to say. Several printed numbers are `name=number; name=number`, each a name of a formula.
    """
    two = re.fullmatch(r"(.+?)\s+vs\.?\s+(.+)", claim.inputs)
    if two and claim.test.lower().startswith("ratio"):
        if re.search(r"[^\W\d_]{2,}", claim.inputs.replace(" vs", "")):
            raise WantsMore(f"{claim.inputs!r} are words: write the two numbers alone")
        return _ratio(claim, evaluate(two[1]), evaluate(two[2]))
    pieces = _OTHERWISE.split(claim.inputs)
    known = definitions(pieces[0])
    last = list(known)[-1]
    named = _named(claim.printed)
    if named:
        figures = [Figure(name, value) for name, value in known.items()]
        return joined([_one(name, number, known, figures) for name, number in named])
    printed = _percent(numbers(claim.printed), claim.printed)
    known[last] = _in_one_unit(pieces[0], claim.printed, known[last], printed)
    figures = [Figure(name, value) for name, value in known.items()]
    readings = [Reading("the formula", known[last])]
    for name, formula in zip(pieces[1::2], pieces[2::2], strict=True):
        value = list(definitions(formula, known).values())[-1]
        readings.append(Reading(name.strip(), value, usual=False))
        figures.append(Figure(name.strip(), value))
    found = judged(last or "the number", printed, readings)
    return Finding(found.verdict, found.why, tuple(figures), found.condition)


def _ratio(claim: Claim, one: Interval, two: Interval) -> Finding:
    """Of two numbers with `vs` between, either by the other."""
    printed = _percent(numbers(claim.printed), claim.printed)
    readings = [Reading("the first by the second", one / two),
                Reading("the second by the first", two / one)]  # fmt: skip
    return judged("ratio", printed, readings)


_SUFFIX = re.compile(r"\d\s?([kKMB])(?![A-Za-z])")
_BARE = re.compile(r"((?<![\w.,])\d*\.\d+(?![\d.])(?!\s?[kKMB%]))")


def _in_one_unit(inputs: str, printed: str, value: Interval, stated: Interval) -> Interval:
    """`3.71 - 1.77` of what is printed as 1.94 M is meant in millions: a suffix that only the
    result has belongs to the formula, and one that some inputs have to all that are no counts;
    where that is nearer to what is printed."""
    inside, outside = set(_SUFFIX.findall(inputs)), set(_SUFFIX.findall(printed))
    if "=" in inputs or value.meets(stated) or len(inside | outside) != 1:
        return value
    suffix = next(iter(inside | outside))
    if inside:
        other = definitions(_BARE.sub(rf"\g<1>{suffix}", inputs))[""]
    else:
        other = value * Interval.exact(MULTIPLES[suffix])
    return min((value, other), key=lambda one: abs(one.value - stated.value))


def _percent(found: list[Number], text: str) -> Interval:
    if not found:
        raise WantsMore(f"no number is printed but {text!r}")
    scale = Interval.exact(0.01) if found[0].percent else Interval.exact(1.0)
    return found[0].rounded * scale


def _named(printed: str) -> list[tuple[str, Number]]:
    found = re.findall(r"([^\W\d][\w -]*?)\s*=\s*([^;=]+)", printed)
    return [(name.strip(), numbers(value)[0]) for name, value in found if numbers(value)]


def _one(name: str, number: Number, known: dict[str, Interval], figures: list[Figure]) -> Finding:
    if name not in known:
        raise WantsMore(f"{name!r} is printed, and no formula has that name")
    found = judged(name, _percent([number], name), [Reading("the formula", known[name])])
    return Finding(found.verdict, found.why, tuple(figures), found.condition)


_RELATION = re.compile(r"(<=|>=|≤|≥|==|=|<|>)")


def relation(claim: Claim) -> Finding:
    """`FM >= -BWT` after the kind, and numbers for its names in the inputs or in what is printed:
    whether any numbers that round to the printed ones satisfy it."""
    text = re.sub(r"^\s*(relation|consistency)\s*,?\s*", "", claim.test)
    text = re.sub(r"\s+by\s+the\s.*$", "", text)
    if not _RELATION.search(text):
        return _shares(claim)
    named = f"{claim.inputs}; {claim.printed}" if claim.printed else claim.inputs
    known = _values(named, text)
    return joined([_related(part.strip(), known) for part in re.split(r"\band\b|;", text)])


def _values(text: str, wanted: str) -> dict[str, Interval]:
    """By name, from `BWT -35.0, FM 3.20` and from formulas `a = 3; b = 2*a`."""
    known: dict[str, Interval] = {}
    for piece in text.split(";"):
        if "=" in piece:
            name, _, formula = piece.rpartition("=")
            known[name.strip()] = evaluate(formula, known)
            continue
        for part in re.split(r",(?=\s)", piece):
            found = re.match(r"\s*([^\W\d][\w ]*?)\s+([-−+]?[\d.].*)$", part)
            if found and re.search(rf"(?<!\w){re.escape(found[1])}(?!\w)", wanted):
                known[found[1]] = numbers(found[2])[0].rounded
    return known


def _related(text: str, known: dict[str, Interval]) -> Finding:
    parts = _RELATION.split(text)
    if len(parts) != 3:
        raise WantsMore(f"{text!r} is no relation such as FM >= -BWT")
    left, sign, right = evaluate(parts[0], known), parts[1], evaluate(parts[2], known)
    sides = ((parts[0].strip(), left), (parts[2].strip(), right))
    figures = tuple(Figure(name, value) for name, value in sides if re.search(r"[^\W\d]", name))
    possible, words = {
        "<": (left.low < right.high, "below"),
        "<=": (left.low <= right.high, "at most"),
        "≤": (left.low <= right.high, "at most"),
        ">": (left.high > right.low, "above"),
        ">=": (left.high >= right.low, "at least"),
        "≥": (left.high >= right.low, "at least"),
        "=": (left.meets(right), "equal to"),
        "==": (left.meets(right), "equal to"),
    }[sign]
    must = "is" if possible else "must be"
    why = f"{parts[0].strip()} {must} {words} {right.value:.6g}"
    if not possible:
        why += f", and is {left.value:.6g}"
    return Finding(Verdict.HOLDS if possible else Verdict.IMPOSSIBLE, why, figures)


def _shares(claim: Claim) -> Finding:
    """A share of errors beside a share of successes of all: both cannot be."""
    errors, right = numbers(claim.inputs), numbers(claim.printed)
    wrong = re.search(r"confusion|error|misrouted|wrong", claim.inputs)
    if not (wrong and len(errors) == 1 and len(right) == 1):
        raise WantsMore("write the relation after the kind, e.g. relation, FM >= -BWT")
    figures = (Figure("errors in %", errors[0].rounded), Figure("right in %", right[0].rounded))
    if right[0].rounded.low >= 99.5 and errors[0].rounded.low > 0:
        why = f"{errors[0].text} of errors and {right[0].text} right cannot both hold"
        return Finding(Verdict.IMPOSSIBLE, why, figures)
    why = "the errors are of one class and the share of all: no contradiction"
    return Finding(Verdict.HOLDS, why, figures)


def effects(claim: Claim) -> Finding:
    """`84.12 -> 82.93 frozen; 68.13 -> 51.79 trainable`: with the component minus without it, as
    the cells are `without -> with`; or the effects themselves, `+13.04 frozen, -1.22 trainable`.
    A ratio of two effects is an amplification where their signs agree."""
    named = _effects(claim.inputs)
    if not named:
        raise WantsMore("write 84.12 -> 82.93 frozen; 68.13 -> 51.79 trainable")
    figures = [Figure(name, value) for name, value in named]
    findings: list[Finding] = []
    ratio = re.search(r"([-−+]?[\d.]+)\s*[x×]", claim.printed)
    for name, number in _printed_effects(claim.printed):
        for other, value in named:
            if name and name == other:
                findings.append(judged(name, number.rounded, [Reading("the cells", value)]))
    if ratio and len(named) >= 2:
        findings.append(_amplification(named, numbers(ratio[1])[0]))
        figures.append(Figure("ratio", named[0][1] / named[1][1]))
    if not findings:
        raise WantsMore("what is printed names none of the effects")
    found = joined(findings)
    return Finding(found.verdict, found.why, tuple(figures), found.condition)


def _effects(text: str) -> list[tuple[str, Interval]]:
    found: list[tuple[str, Interval]] = []
    for part in re.split(r";|,(?=\s)", text):
        name = re.sub(r"[-−+]?[\d.]+|->|→|:", " ", part).strip()
        values = numbers(re.sub(r"->|→", " ; ", part))
        if "->" in part or "→" in part:
            if len(values) != 2:
                raise WantsMore(f"{part.strip()!r}: write without -> with")
            before, after = (number.rounded for number in same_digits(values))
            found.append((name, after - before))
        elif len(values) == 1:
            found.append((name, values[0].rounded))
    return found


def _printed_effects(text: str) -> list[tuple[str, Number]]:
    return [
        (re.sub(r"[-−+]?[\d.]+", " ", part).strip(), numbers(part)[0])
        for part in re.split(r";|,(?=\s)", text)
        if numbers(part) and not re.search(r"\d\s*[x×]", part)
    ]


def _amplification(named: list[tuple[str, Interval]], printed: Number) -> Finding:
    (one, a), (two, b) = named[:2]
    ratio = a / b
    if a.low * b.high < 0 and a.high * b.low < 0 and printed.value > 0:
        why = (
            f"{one} and {two} have opposite signs: their ratio is {ratio.value:.3g} and no "
            "amplification"
        )
        return Finding(Verdict.IMPOSSIBLE, why)
    return judged(f"{one} / {two}", printed.rounded, [Reading("the effects", ratio)])


def additivity(claim: Claim) -> Finding:
    """Effects of single changes against the effect of all together: `A -2.4; B -2.1; together
    -5.0`; printed is the sum, the rest, or the word additive."""
    parts = [(name or re.sub(r"[-−+]?[\d.]+", "", text).strip(), text)
             for name, text in groups(claim.inputs)]  # fmt: skip
    values = [(name, numbers(text)[0]) for name, text in parts if numbers(text)]
    together = [n.rounded for name, n in values if "together" in name or "both" in name]
    single = [n.rounded for name, n in values if "together" not in name and "both" not in name]
    if len(together) != 1 or len(single) < 2:
        raise WantsMore("write A -2.4; B -2.1; together -5.0")
    added, rest = total(single), together[0] - total(single)
    figures = (Figure("sum", added), Figure("together minus sum", rest))
    stated = _named(claim.printed) or [("", number) for number in numbers(claim.printed)]
    found: list[Finding] = []
    for name, number in stated:
        value = rest if re.search(r"interaction|rest|synergy", f"{name} {claim.printed}") else added
        found.append(judged(name or "the sum", number.rounded, [Reading("the effects", value)]))
    if not stated:
        meets = rest.meets(Interval.exact(0.0))
        why = f"together is {rest.value:+.4g} from the sum {added.value:.4g}"
        found.append(Finding(Verdict.HOLDS if meets else Verdict.IMPOSSIBLE, why))
    result = joined(found)
    return Finding(result.verdict, result.why, figures, result.condition)


CHECKS = (
    Check(
        "arithmetic",
        ("count", "ratio", "sum", "header against code", "per-block share"),
        "inputs a formula, or several: base = 8.9M; base + 15 * 3.71M; printed 64.5M, or one "
        "number for each name: base=8.9M; total=64.5M",
        arithmetic,
    ),
    Check(
        "relation",
        ("consistency",),
        "test relation, FM >= -BWT; inputs or printed: BWT -35.0, FM 3.20",
        relation,
    ),
    Check(
        "effects",
        ("ratio of effects", "logged 15-class cells"),
        "inputs 84.12 -> 82.93 frozen; 68.13 -> 51.79 trainable; printed +7.3 frozen, 6.1x",
        effects,
    ),
    Check("additivity", ("additive effects",), "inputs A -2.4; B -2.1; together -5.0", additivity),
)
