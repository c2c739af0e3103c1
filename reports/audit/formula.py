"""Formulas over printed numbers: `frozen = 68.884M + 8.938M; frozen + 15 x 0.003M`.

Whole numbers are counts and exact, others stand for what rounds to them. Words that name nothing
known are units, and count for nothing after a number: `24 layers x (64*768 + 768*64)`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reports.audit.claim import WantsMore
from reports.audit.interval import Interval, average, total
from reports.audit.notation import numbers

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d*\.\d+|\d+)(?![\d_])"
    r"(?:[eE][-+−]?\d+(?![\w.]))?(?:\s?[kKMB](?![A-Za-z]))?(?:\s?%)?)"
    r"|(?P<times>[x×·](?![A-Za-z_]))"
    r"|(?P<sign>\*\*|[-+−*/(),^])"
    r"|(?P<name>[^\W\d][\w.&]*(?:[ -](?!x\s)[^\W\d][\w.&]*)*)"
    r"|(?P<other>\S))"
)
FUNCTIONS: Mapping[str, Callable[[Sequence[Interval]], Interval]] = {
    "max": lambda p: Interval(*(max(getattr(x, e) for x in p) for e in ("low", "value", "high"))),
    "min": lambda p: Interval(*(min(getattr(x, e) for x in p) for e in ("low", "value", "high"))),
    "sum": total,
    "mean": average,
    "abs": lambda p: p[0].size(),
    "sqrt": lambda p: p[0].root(),
}


@dataclass(frozen=True)
class Token:
    """Of a formula."""

    kind: str
    text: str


def evaluate(text: str, known: Mapping[str, Interval] | None = None) -> Interval:
    """The value of a formula.

    Raises:
        WantsMore: it is none, or it names what is not known.
    """
    return _Parser(text, known or {}).whole()


def definitions(text: str, before: Mapping[str, Interval] | None = None) -> dict[str, Interval]:
    """Values by name of `a = 3; b = 2 * a`, each formula in terms of earlier ones; the formula
    without a name gets the name "".

    Args:
        before: names that the formulas may use.

    Raises:
        WantsMore: there is no formula, or one cannot be read.
    """
    known: dict[str, Interval] = {}
    earlier = dict(before or {})
    for part in re.split(r";|\n", text):
        name, equals, formula = part.rpartition("=")
        if part.strip():
            known[name.strip() if equals else ""] = evaluate(formula, {**earlier, **known})
    if not known:
        raise WantsMore("the inputs hold no formula")
    return known


class _Parser:
    """Recursive descent; products bind closer than sums, powers closer than products."""

    def __init__(self, text: str, known: Mapping[str, Interval]):
        self.text, self.known, self.at = text.strip(), known, 0
        self.tokens = self._tokens()

    def _tokens(self) -> list[Token]:
        found: list[Token] = []
        for match in _TOKEN.finditer(self.text):
            kind = match.lastgroup or "other"
            word = match[kind]
            if kind == "times":
                kind, word = "sign", "*"
            word = {"−": "-", "**": "^"}.get(word, word)
            if kind == "name" and word not in self.known and word not in FUNCTIONS:
                if found and (found[-1].kind == "number" or found[-1].text == ")"):
                    continue
                raise WantsMore(f"{word!r} in {self.text!r} is neither a number nor a known name")
            if kind == "other":
                raise WantsMore(f"{self.text!r} is no formula, for its {word!r}")
            found.append(Token(kind, word))
        return found

    def whole(self) -> Interval:
        value = self.sum()
        if self.at < len(self.tokens):
            raise WantsMore(f"{self.text!r} is no formula: an operator is missing")
        return value

    def next(self, *signs: str) -> str:
        """The sign here, if it is one of these; then it is behind us."""
        here = self.tokens[self.at] if self.at < len(self.tokens) else Token("end", "")
        if here.kind != "sign" or here.text not in signs:
            return ""
        self.at += 1
        return here.text

    def sum(self) -> Interval:
        value = self.product()
        while sign := self.next("+", "-"):
            other = self.product()
            value = value + other if sign == "+" else value - other
        return value

    def product(self) -> Interval:
        value = self.signed()
        while sign := self.next("*", "/"):
            other = self.signed()
            value = value * other if sign == "*" else value / other
        return value

    def signed(self) -> Interval:
        if self.next("-"):
            return -self.signed()
        self.next("+")
        value = self.one()
        if self.next("^"):
            exponent = self.one().value
            if exponent != int(exponent) or exponent < 0:
                raise WantsMore(f"{self.text!r}: powers are whole numbers from 0")
            value = value.power(int(exponent))
        return value

    def one(self) -> Interval:
        if self.at >= len(self.tokens):
            raise WantsMore(f"{self.text!r} is no formula: it ends too early")
        token = self.tokens[self.at]
        self.at += 1
        if token.kind == "number":
            return _constant(token.text)
        if token.text == "(":
            value = self.sum()
            if not self.next(")"):
                raise WantsMore(f"{self.text!r}: a bracket is not closed")
            return value
        if token.text in self.known:
            return self.known[token.text]
        if token.text in FUNCTIONS:
            return FUNCTIONS[token.text](self.arguments())
        raise WantsMore(f"{self.text!r} is no formula: {token.text!r} stands where a number should")

    def arguments(self) -> list[Interval]:
        if not self.next("("):
            raise WantsMore(f"{self.text!r}: a function needs brackets")
        found = [self.sum()]
        while self.next(","):
            found.append(self.sum())
        if not self.next(")"):
            raise WantsMore(f"{self.text!r}: a bracket is not closed")
        return found


def _constant(text: str) -> Interval:
    number = numbers(text)[0]
    return number.given * Interval.exact(0.01) if number.percent else number.given
