"""Sequences of tasks: how classes are cut into tasks, and which orders of them are drawn.

A task is keyed by its classes, never by their order (docs/method.md, 5.1), so they are sorted by
name inside it; two orders of classes may therefore be one sequence. Imports no torch.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, cycle

from moleflow.errors import StudyError
from moleflow.streams import Part, numpy_stream

Task = tuple[str, ...]
Sequence = tuple[Task, ...]

JOINT = "joint"
CLASS_JOINT, TASK_JOINT = "+", " > "
"""What joins classes in the name of a task, and tasks in that of an order. Neither can be found in
the name of a class, or where names meet: no two tasks, and no two orders, have one name."""
TAKEN = {
    "mean": "the mean over classes",
    "summary": "the end of an evaluation",
    "metric": "a column of tables",
    "routing": "a column of tables",
    "tasks_seen": "a column of tables",
}
"""Names that stand beside those of classes, and for what."""
COMMON = ("1-1", "3-3", "5-5", "10-1", "10-5", "14-1", JOINT)
"""Scenarios of the field, named in errors."""


def task_name(task: Task) -> str:
    """A task is named by its classes, never by its position."""
    return CLASS_JOINT.join(task)


@lru_cache(maxsize=1 << 14)
def order_name(sequence: Sequence) -> str:
    """Names of its tasks, in order."""
    return TASK_JOINT.join(map(task_name, sequence))


def in_scenario(order: tuple[str, ...], scenario: str) -> Sequence:
    """An order of classes cut into tasks.

    Args:
        scenario: `a-b`: the first task holds the first a classes, every later one b; `joint`: one
            task holds all.

    Raises:
        StudyError: the scenario cannot be read or does not fit the number of classes; there are no
            classes, or one is named twice.
    """
    _check_names(order, "classes")
    return cut(tuple((name,) for name in order), task_sizes(scenario, len(order)))


def in_groups(groups: Sequence, classes: tuple[str, ...]) -> Sequence:
    """Explicit groups, one task each, in the order given.

    Raises:
        StudyError: the groups are not a partition of the classes, or one of them is empty.
    """
    named = tuple(chain.from_iterable(groups))
    if not all(groups) or not all(named):
        raise StudyError("groups: one is empty or names an empty class; write e.g. a+b c")
    _check_names(named, "groups")
    problems = [
        f"{what} {', '.join(names)}"
        for what, names in {
            "no group holds": sorted(set(classes) - set(named)),
            "not among the classes:": sorted(set(named) - set(classes)),
        }.items()
        if names
    ]
    if problems:
        raise StudyError(
            f"groups: {'; '.join(problems)}; each of the {len(classes)} classes stands in one group"
        )
    return cut(groups, (1,) * len(groups))


def task_sizes(scenario: str, classes: int) -> tuple[int, ...]:
    """Classes of each task.

    Raises:
        StudyError: the scenario cannot be read or does not fit the number of classes.
    """
    if scenario == JOINT:
        return (classes,)
    read = re.fullmatch(r"([1-9][0-9]*)-([1-9][0-9]*)", scenario)
    if read is None:
        raise StudyError(
            f"scenario {scenario!r}: write a-b, classes of the first task and of every later one, "
            f"or {JOINT}; common are {', '.join(COMMON)}"
        )
    first, later = int(read[1]), int(read[2])
    rest = classes - first
    if rest < 0 or rest % later:
        wrong = f"{-rest} too few" if rest < 0 else f"{rest % later} left over"
        raise StudyError(
            f"scenario {scenario}: {classes} classes do not make a first task of {first} and later "
            f"ones of {later} ({wrong}); with {classes} classes fit "
            f"{', '.join(_fitting(classes))}; or name the tasks with groups"
        )
    return (first,) + (later,) * (rest // later)


def cut(order: tuple[Task, ...], sizes: tuple[int, ...]) -> Sequence:
    """An order of units (classes, or groups of them), the next `size` of them a task each."""
    units = iter(order)
    return tuple(
        tuple(sorted(chain.from_iterable(next(units) for _ in range(size)))) for size in sizes
    )


def draw_sequences(
    units: tuple[Task, ...],
    sizes: tuple[int, ...],
    heads: tuple[Task, ...],
    count: int,
    each: int = 1,
    seed: int = 0,
) -> dict[Sequence, Task]:
    """`count` distinct sequences, or all there are, each with the head that it was drawn for.

    Heads take turns; theirs stands in task 0. A head's first sequence keeps the given order behind
    it, later ones come from the head's own stream, so that asking for more keeps the first ones.

    Args:
        units: what is permuted: single classes, or groups.
        sizes: units of each task.
        heads: units; none: orders of all units are drawn from one stream, with `()` as their head.
        each: sequences of a head before the next one's turn.
        seed: of the random orders; not that of training.
    """
    lanes = {head: _orders(units, head, seed) for head in heads or ((),)}
    most = {head: sequences_with(1 if head else len(units), sizes) for head in lanes}
    target = min(count, sequences_with(len(heads) or len(units), sizes))
    found: dict[Sequence, Task] = {}
    having: Counter[Task] = Counter()
    for head in cycle(head for head in lanes for _ in range(each)):
        if len(found) == target:
            break
        if having[head] < most[head]:
            drawn = (cut(order, sizes) for order in lanes[head])
            new = next(sequence for sequence in drawn if sequence not in found)
            found[new] = head
            having.update(other for other in lanes if set(other) <= set(new[0]))
    return found


def _orders(units: tuple[Task, ...], head: Task, seed: int) -> Iterator[tuple[Task, ...]]:
    """The head, if any, before the others: these as given, then in random orders without end."""
    first = (head,) if head else ()
    rest = [unit for unit in units if unit != head]
    yield (*first, *rest)
    name: list[Part] = ["orders", *("+".join(unit) for unit in first)]
    for places in permutations(len(rest), *name, *([("seed", str(seed))] if seed else [])):
        yield (*first, *(rest[place] for place in places))


def permutations(count: int, *name: Part) -> Iterator[list[int]]:
    """Random permutations of so many places, from one named stream, without end.

    Fisher and Yates' shuffle, each place by rejecting masked 32-bit numbers. NumPy's generators
    permute so too, but do not promise it for later versions; the bits that are used here they do.
    """
    raw, half = numpy_stream(*name).bit_generator.random_raw, list[int]()
    while True:
        places = list(range(count))
        for last in range(count - 1, 0, -1):
            mask, drawn = (1 << last.bit_length()) - 1, last + 1
            while drawn > last:
                if not half:
                    bits = int(raw())
                    half = [bits >> 32, bits & 0xFFFFFFFF]
                drawn = half.pop() & mask
            places[last], places[drawn] = places[drawn], places[last]
        yield places


def sequences_with(heads: int, sizes: tuple[int, ...]) -> int:
    """How many sequences have at least one of the heads in task 0."""
    units, first = sum(sizes), sizes[0]
    later = math.factorial(units - first) // math.prod(math.factorial(size) for size in sizes[1:])
    return (math.comb(units, first) - math.comb(units - heads, first)) * later


def _fitting(classes: int) -> list[str]:
    """Common scenarios that make at least two tasks of so many classes, and joint training."""
    pairs = [tuple(map(int, name.split("-"))) for name in COMMON if name != JOINT]
    fits = [f"{a}-{b}" for a, b in pairs if classes > a and (classes - a) % b == 0]
    return [*fits, JOINT]


def _check_names(names: tuple[str, ...], what: str) -> None:
    if not names:
        raise StudyError(f"{what}: there are none, so there is nothing to learn; name some")
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise StudyError(f"{what}: {', '.join(twice)} named more than once; name each class once")
    for name in names:
        check_class_name(name)


def check_class_name(name: str) -> None:
    """Raises:
    StudyError: joined with others, or beside them, the name could stand for something else.
    """
    remedy = "rename its folder (in VisA, its lines in the list too)"
    if CLASS_JOINT in name or TASK_JOINT in f" {name} ":
        other = name.replace(CLASS_JOINT, "_").replace(">", "_")
        raise StudyError(
            f"class {name!r}: names of tasks join classes with + and names of orders join tasks "
            f"with >, so it could not be told from another one; {remedy}, e.g. to {other!r}"
        )
    if as_seen(name) != name:
        raise StudyError(
            f"class {name!r}: on pages and in logs this reads like another name, for characters in "
            f"it that cannot be seen; {remedy}, e.g. to {as_seen(name)!r}"
        )
    if name in TAKEN:
        raise StudyError(
            f"class {name!r}: that is what {TAKEN[name]} is called; {remedy}, e.g. to "
            f"{f'{name}_class'!r}"
        )


def as_seen(name: str) -> str:
    """A name without what cannot be seen: pages and logs show both alike."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split()) or "unnamed"
