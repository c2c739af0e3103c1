"""Whole numbers on the command line: a fraction is refused, not rounded."""

from collections.abc import Sequence

from cyclopts import Parameter, Token


def _whole(_: object, tokens: Sequence[Token]) -> int:
    (token,) = tokens
    try:
        return int(token.value)
    except ValueError:
        raise ValueError(f"{token.value!r} is no whole number") from None


WHOLE = Parameter(converter=_whole)
"""Of an option that takes one."""
