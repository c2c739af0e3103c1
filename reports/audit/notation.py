"""How numbers are printed in papers and tables, read with the digits that they have."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reports.audit.claim import WantsMore
from reports.audit.interval import Interval

MULTIPLES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9}
LARGEST_EXPONENT = 100
WORDS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "ten": 10}
PLUS_MINUS = r"\s*(?:\+/?-|±)\s*"
_NUMBER = re.compile(
    r"(?P<about>(?:about|approx\.?|ca\.|circa|~|≈)\s*)?"
    r"(?P<sign>(?<![\w.)\]%])[-+−])?(?<![\w.])"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d*\.\d+|\d+)(?![\d_]|\.[A-Za-z])"
    r"(?:[eE](?P<exponent>[-+−]?\d+))?"
    r"(?:\s?(?P<multiple>[kKMB])(?![A-Za-z]))?"
    r"(?P<percent>\s?%)?"
)


@dataclass(frozen=True)
class Number:
    """A number as it is printed."""

    text: str
    value: float
    unit: float
    """Of the last printed digit."""
    whole: bool
    """Printed without a decimal point, an exponent or a multiple."""
    percent: bool = False
    about: bool = False
    label: str = ""

    @property
    def rounded(self) -> Interval:
        """All that rounds to it; twice as much where it says "about"."""
        half = self.unit * (1.0 if self.about else 0.5)
        return Interval(self.value - half, self.value, self.value + half)

    @property
    def given(self) -> Interval:
        """As an input: whole numbers are counts, which nobody rounds."""
        return Interval.exact(self.value) if self.whole and not self.about else self.rounded


def _number(found: re.Match[str]) -> Number:
    digits = found["digits"].replace(",", "")
    decimals = len(digits.partition(".")[2])
    exponent = int((found["exponent"] or "0").replace("−", "-"))
    if abs(exponent) > LARGEST_EXPONENT:
        raise WantsMore(f"{found[0].strip()} is no number that is computed with")
    scale = MULTIPLES.get(found["multiple"] or "", 1.0) * 10.0**exponent
    sign = -1.0 if found["sign"] in ("-", "−") else 1.0
    return Number(
        found[0].strip(),
        sign * float(digits) * scale,
        10.0**-decimals * scale,
        decimals == 0 and not exponent and scale == 1.0,
        bool(found["percent"]),
        bool(found["about"]),
    )


def numbers(text: str) -> list[Number]:
    """All numbers in a text, from left to right; none that are part of a word."""
    return [_number(found) for found in _NUMBER.finditer(text)]


def one_number(text: str, what: str) -> Number:
    """The first.

    Raises:
        WantsMore: there is none.
    """
    found = numbers(text)
    if not found:
        raise WantsMore(f"{what} is no number but {text.strip()!r}")
    return found[0]


def same_digits(found: Sequence[Number]) -> list[Number]:
    """Numbers of one list have as many digits as the longest, as spreadsheets drop zeros."""
    unit = min((number.unit for number in found), default=1.0)
    return [replace(number, unit=min(unit, number.unit), whole=False) for number in found]


def measured(text: str) -> list[Number]:
    """A list of measured numbers."""
    return same_digits(numbers(text))


@dataclass(frozen=True)
class Spread:
    """A mean and what stands after its ±."""

    mean: Number
    spread: Number


_SPREAD = re.compile(rf"({_NUMBER.pattern}){PLUS_MINUS}({_NUMBER.pattern.replace('?P<', '?P<s_')})")


def spreads(text: str) -> list[Spread]:
    """All `mean ± spread` in a text."""
    found: list[Spread] = []
    for match in _SPREAD.finditer(text):
        parts = re.split(PLUS_MINUS, match[0], maxsplit=1)
        found.append(Spread(numbers(parts[0])[0], numbers(parts[1])[0]))
    return found


def groups(text: str) -> list[tuple[str, str]]:
    """Parts with `vs`, `;` or `|` between, each with the name before its colon."""
    found: list[tuple[str, str]] = []
    for part in re.split(r"\s+vs\.?\s+|;|\|", text):
        name, colon, rest = part.partition(":")
        if part.strip():
            found.append((name.strip(), rest.strip()) if colon else ("", part.strip()))
    return found


_STATEMENT = re.compile(
    rf"(?P<name>[A-Za-zηρχΔ²_]\w*)\s*(?P<relation>=|<=|>=|<|>|≤|≥)\s*(?P<number>{_NUMBER.pattern})"
)


@dataclass(frozen=True)
class Statement:
    """`p < .05`"""

    name: str
    relation: str
    number: Number

    def admits(self, interval: Interval) -> bool:
        """Whether some number in the interval satisfies it."""
        if self.relation in ("<", "<=", "≤"):
            return interval.low <= self.number.value
        if self.relation in (">", ">=", "≥"):
            return interval.high >= self.number.value
        return self.number.rounded.meets(interval)

    @property
    def bounds(self) -> Interval:
        """What it allows."""
        if self.relation in ("<", "<=", "≤"):
            return Interval(-float("inf"), self.number.value, self.number.value)
        if self.relation in (">", ">=", "≥"):
            return Interval(self.number.value, self.number.value, float("inf"))
        return self.number.rounded


def statements(text: str) -> dict[str, Statement]:
    """By name: `r=-.89, p<.05`; names of one letter also as small ones (`P=.03`), and what is said
    to be significant, or not, as p below or above .05."""
    found: dict[str, Statement] = {}
    for one in _STATEMENT.finditer(text):
        said = Statement(one["name"], one["relation"], numbers(one["number"])[0])
        found[one["name"]] = said
        if len(one["name"]) == 1:
            found.setdefault(one["name"].lower(), said)
    words = re.search(r"\b(not significant|insignificant|n\.\s?s\.)|\bsignificant", text, re.I)
    if "p" not in found and words:
        found["p"] = Statement("p", ">" if words[1] else "<", numbers(".05")[0])
    return found


def counts(text: str, name: str) -> list[int]:
    """Whole numbers of an option such as `n=3+3`; number words are read too. Empty: not there."""
    for word, value in WORDS.items():
        text = re.sub(rf"\b{word}\b", str(value), text)
    found = re.search(rf"(?<![A-Za-z]){name}\s*=\s*(\d+(?:\s*\+\s*\d+)*)", text)
    return [int(part) for part in found[1].split("+")] if found else []


def number_option(text: str, name: str, default: float) -> float:
    """The number of `name=value`.

    Raises:
        WantsMore: it is none.
    """
    said = option(text, name)
    return one_number(said, name).value if said else default


def option(text: str, name: str) -> str:
    """The value of `name=value`, up to a comma; empty where it is not there."""
    found = re.search(rf"(?<![A-Za-z]){re.escape(name)}\s*=\s*([^,;]+)", text)
    return found[1].strip() if found else ""
