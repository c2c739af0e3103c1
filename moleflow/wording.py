"""How counts are told."""

from collections.abc import Iterable


def grouped(number: int) -> str:
    """A whole number, thousands apart: `1,234`."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """How many of what there are: `1 trial`, `1,200 trials`, `2 classes`."""
    return f"{grouped(number)} {plural(number, noun)}"


def plural(number: int, noun: str) -> str:
    """What there are so many of: `trial` of 1, else `trials`; `class`, `classes`."""
    several = f"{noun}es" if noun.endswith(("s", "ch")) else f"{noun}s"
    return noun if number == 1 else several


def from_fewest(numbers: Iterable[int], noun: str) -> str:
    """From the fewest to the most of what there are: `1 seed`, `2 to 3 seeds`."""
    found = sorted(numbers)
    most = counted(found[-1], noun)
    return most if found[0] == found[-1] else f"{grouped(found[0])} to {most}"


def ordinal(place: int) -> str:
    """`1st`, `2nd`, `3rd`, `4th`, `11th`, `21st`."""
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{place}{'th' if place // 10 % 10 == 1 else ends.get(place % 10, 'th')}"
