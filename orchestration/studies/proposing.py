"""Proposals of a search: what they are, and those that nothing is learned for."""

from collections.abc import Callable, Container, Hashable, Iterable, Mapping
from typing import Any, Literal, assert_never, cast

from moleflow.errors import StudyError
from moleflow.settings import Settings
from moleflow.streams import Part, numpy_stream
from orchestration.studies.search import Choice, Distribution, Integer, LogUniform, Search, Uniform
from orchestration.studies.study import Study
from orchestration.studies.trial_keys import digest, key_settings
from orchestration.studies.written import Value

DIGITS = 4
"""Of a number that is proposed: settings that differ by less do not differ."""
TRIES = 1000
"""Drawings of a proposal that fits and was not made before."""


class Told(Settings):
    """What was known of a proposal when a later one was made."""

    number: int
    outcome: Literal["finished", "diverged", "stopped", "in work"]
    value: float | None = None
    """What the search makes large; of one that was stopped, where it was."""
    tasks: int = 0
    """Tasks learned, of one that was stopped."""


class Proposal(Settings):
    """Values of the fields that are searched over."""

    number: int
    """From 1, in the order in which they were asked for."""
    values: dict[str, Value]
    method: str
    """`tpe` begins with proposals at random."""
    told: tuple[Told, ...] = ()
    """What it was made from, besides proposals of lower numbers: with these, the same again."""
    software: str = ""
    """What made it, where it is not this package."""


Fits = Callable[[Mapping[str, Any]], bool]
"""Whether values make a config."""


def search_id(study: Study) -> str:
    """Of what proposals are made for: with another space, method, seed, base or replicates they are
    others. More trials go on in the same one."""
    axis = study.search_axis
    assert axis is not None
    tree = study.model_dump(mode="json", exclude={"question", "base", "reports"})
    tree["axes"] = [one.model_dump(mode="json", exclude={"trials"}) for one in study.axes]
    return digest({"search": tree, "base": key_settings(study.base)})


def at_random(axis: Search, number: int, made: Iterable[Proposal], fits: Fits) -> Proposal:
    """The proposal of this number. Every field has a stream of its own, so that one more field
    moves no other.

    Raises:
        StudyError: none of many drawings fits and is new.
    """
    return _one_more(axis, number, {_hashable(one.values) for one in made}, fits)


def completed(
    axis: Search, made: Mapping[int, Proposal], count: int, fits: Fits
) -> dict[int, Proposal]:
    """Proposals up to this number: those that were made, and the others at random.

    Raises:
        StudyError: as `at_random`.
    """
    known = {_hashable(one.values) for one in made.values()}
    found = dict[int, Proposal]()
    for number in range(1, count + 1):
        found[number] = made.get(number) or _one_more(axis, number, known, fits)
        known.add(_hashable(found[number].values))
    return found


def _one_more(axis: Search, number: int, known: Container[Hashable], fits: Fits) -> Proposal:
    for attempt in range(TRIES):
        values = {
            field: _drawn(spread, _share("search", axis.seed, field, number, attempt))
            for field, spread in axis.space.items()
        }
        if _hashable(values) not in known and fits(values):
            return Proposal(number=number, values=values, method="random")
    raise used_up(number)


def _hashable(value: Any) -> Hashable:
    """Equal where values are."""
    match value:
        case Mapping():
            named = cast("Mapping[str, Any]", value)
            return frozenset((name, _hashable(one)) for name, one in named.items())
        case tuple():
            return tuple(map(_hashable, cast("tuple[Any, ...]", value)))
        case _:
            return value


def used_up(number: int) -> StudyError:
    return StudyError(
        f"proposal {number}: none of {TRIES} drawings makes settings that fit each other and were "
        "not proposed before; widen the space, or ask for fewer trials"
    )


def rounded(value: float, low: float, high: float) -> float:
    """To a few digits, and never out of the range."""
    return min(max(float(f"{value:.{DIGITS}g}"), low), high)


def _drawn(spread: Distribution, share: float) -> Any:
    """Where a share of the whole, from 0 to below 1, lies in a space."""
    match spread:
        case Uniform():
            value = spread.low + share * (spread.high - spread.low)
            return rounded(value, spread.low, spread.high)
        case LogUniform():
            value = spread.low * (spread.high / spread.low) ** share
            return rounded(value, spread.low, spread.high)
        case Integer():
            return spread.low + int(share * (spread.high - spread.low + 1))
        case Choice():
            return spread.values[int(share * len(spread.values))]
        case _:
            assert_never(spread)


def _share(*name: Part) -> float:
    """Of raw bits: what NumPy makes of them may change with its version."""
    return (int(numpy_stream(*name).bit_generator.random_raw()) >> 11) / 2**53
