"""A printed number stands for all numbers that round to it; so does whatever is computed from it.

Sums, products and quotients of intervals hold every value that can be meant, at times more (where a
number stands twice in a formula): a claim is then spared, never accused.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from reports.audit.distributions import least_in_box

CLOSE = 1e-9
"""Relative: what floating-point arithmetic may add to the ends of an interval."""
CORNERS_AT_MOST = 12
"""Dimensions of a box whose corners are all visited."""
DRAWN = 256
"""Corners visited of a larger box."""


@dataclass(frozen=True)
class Interval:
    """All numbers from `low` to `high`, both included; `value` is what is printed."""

    low: float
    value: float
    high: float

    @classmethod
    def exact(cls, value: float) -> "Interval":
        """A number that nobody rounded."""
        return cls(value, value, value)

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.low + other.low, self.value + other.value, self.high + other.high)

    def __neg__(self) -> "Interval":
        return Interval(-self.high, -self.value, -self.low)

    def __sub__(self, other: "Interval") -> "Interval":
        return self + -other

    def __mul__(self, other: "Interval") -> "Interval":
        ends = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(ends), self.value * other.value, max(ends))

    def __truediv__(self, other: "Interval") -> "Interval":
        """By an interval that holds 0: everything is possible."""
        if other.low <= 0 <= other.high:
            value = self.value / other.value if other.value else math.nan
            return Interval(-math.inf, value, math.inf)
        return self * Interval(1 / other.high, 1 / other.value, 1 / other.low)

    def power(self, exponent: int) -> "Interval":
        """To a whole number ≥ 0."""
        ends = [self.low**exponent, self.high**exponent]
        if exponent % 2 == 0 and self.low < 0 < self.high:
            ends.append(0.0)
        return Interval(min(ends), self.value**exponent, max(ends))

    def root(self) -> "Interval":
        """The square root of what is not negative in it."""
        return Interval(*(math.sqrt(max(x, 0.0)) for x in (self.low, self.value, self.high)))

    def size(self) -> "Interval":
        """The absolute value."""
        low = 0.0 if self.low <= 0 <= self.high else min(abs(self.low), abs(self.high))
        return Interval(low, abs(self.value), max(abs(self.low), abs(self.high)))

    def meets(self, other: "Interval") -> bool:
        """Whether one number can be in both."""
        slack = CLOSE * max(1e-12, *(abs(x) for x in (self.value, other.value) if x == x), 0.0)
        return self.low <= other.high + slack and other.low <= self.high + slack

    def map(self, rising: Callable[[float], float]) -> "Interval":
        """Of a function that only rises, or only falls."""
        ends = rising(self.low), rising(self.high)
        return Interval(min(ends), rising(self.value), max(ends))


def total(parts: Sequence[Interval]) -> Interval:
    """The sum, each end correctly rounded."""
    return Interval(
        math.fsum(p.low for p in parts),
        math.fsum(p.value for p in parts),
        math.fsum(p.high for p in parts),
    )


def average(parts: Sequence[Interval]) -> Interval:
    """The mean of as many numbers as there are."""
    return total(parts) / Interval.exact(len(parts))


def extremes(
    function: Callable[[np.ndarray], float], parts: Sequence[Interval], edges: int = CORNERS_AT_MOST
) -> Interval:
    """The smallest and the largest value that a function has where each number is in its interval.

    The corners of the box, all of them up to 2 ** `edges`, then a descent inside the box from the
    best corner; exact for functions that are monotone or quasi-convex in every number.
    """
    low, high = np.array([p.low for p in parts]), np.array([p.high for p in parts])
    middle = np.array([p.value for p in parts])
    wide = np.flatnonzero(high > low)
    if len(wide) <= edges:
        chosen = itertools.product((False, True), repeat=len(wide))
    else:
        chosen = iter(np.random.default_rng(0).integers(0, 2, (DRAWN, len(wide))).astype(bool))
    points = [middle]
    for corner in chosen:
        point = low.copy()
        point[wide] = np.where(corner, high[wide], low[wide])
        points.append(point)
    values = np.array([function(point) for point in points])
    ends = [float(np.nanmin(values)), float(np.nanmax(values))]
    if len(wide):
        for start in (points[int(np.nanargmin(values))], middle):
            ends[0] = min(ends[0], least_in_box(function, start, low, high))
        for start in (points[int(np.nanargmax(values))], middle):
            ends[1] = max(ends[1], -least_in_box(lambda x: -function(x), start, low, high))
    return Interval(ends[0], float(values[0]), ends[1])
