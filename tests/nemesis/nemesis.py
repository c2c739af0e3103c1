"""Runs schedules of faults, checks what is left, and finds the shortest one that still fails."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import final

from tests.nemesis.aftermath import Outcome, Report, costs, doubles, left, outcome, wrong
from tests.nemesis.arena import Arena, Hangs, folder
from tests.nemesis.faults import Fault
from tests.nemesis.settings import Servers, furnished
from tests.orchestration.pictures import draw_pictures
from tests.small_study import CLASSES

LATE = ("damage", "full", "error")
"""Acts that may meet a command in its last moments, after which the same command mends."""
REFUSALS = (0, 1, 2, 75, 130, 143, -2, -9, -15)
"""Ends of a command that its user can understand; 70 is none of them."""
MORE_COMMANDS = 4
"""Beyond one for each fault."""


@final
class Nemesis:
    """Keeps what schedules share: pictures, a process that is ready to start studies, servers, and
    what each setting gives undisturbed."""

    def __init__(self, place: Path, tell: Callable[[str], None] = print):
        self.tell = tell
        self._stack = ExitStack()
        self._data = draw_pictures(place / "pictures", CLASSES)
        self._servers = Servers(self._stack, place)
        self._expected: dict[str, Outcome] = {}

    def __enter__(self) -> "Nemesis":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def run(self, setting: str, faults: Sequence[Fault]) -> Report:
        """A study with these faults, resumed by the same command until it is done."""
        expected = self._undisturbed(setting)
        with self._arena(setting, faults) as arena:
            return examined(arena, expected)

    def shortest(self, setting: str, faults: Sequence[Fault]) -> int:
        """How many of the first faults fail already, of a schedule that fails."""
        return shortest(lambda count: bool(self.run(setting, faults[:count]).wrong), len(faults))

    def _undisturbed(self, setting: str) -> Outcome:
        """What a study gives does not depend on where it runs."""
        kind = "rivals" if setting == "rivals" else "inline"
        if kind not in self._expected:
            with self._arena(kind, ()) as arena:
                codes = arena.run(dict.fromkeys(arena.studies, ()))
                assert set(codes.values()) == {0}, arena.said()
                found = outcome(arena)
                problems = [*wrong(arena, found)]
                assert not problems, problems
            self._expected[kind] = found
        return self._expected[kind]

    @contextmanager
    def _arena(self, setting: str, faults: Sequence[Fault]) -> Iterator[Arena]:
        own_disk = any(fault.act == "full" for fault in faults)
        with folder(own_disk) as place:
            arena = Arena(place, self._data, faults)
            with furnished(setting, arena, self._servers):
                yield arena


def shortest(fails: Callable[[int], bool], count: int) -> int:
    """Length of a beginning that fails, while one that is half as long does not: by halving.

    Args:
        count: of all, which fail.
    """
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fails(middle) else (middle, high)
    return high


def examined(arena: Arena, expected: Outcome) -> Report:
    began, problems = time.monotonic(), list[str]()
    try:
        problems += to_its_end(arena)
    except Hangs as error:
        problems.append(str(error))
    ended = time.monotonic()
    problems += wrong(arena, expected)
    fired = arena.fired()
    try:
        found, twice = costs(arena, ended), doubles(arena)
    except Exception as error:  # what is wrong is told above
        problems.append(f"costs are not known: {error}")
        found, twice = [], 0
    said = arena.said() if problems else ""
    return Report(
        arena.faults, fired, problems, found, twice, left(arena), arena.codes, ended - began, said
    )


def to_its_end(arena: Arena) -> Iterator[str]:
    """The same commands again and again, until each ends well and no fault came in its last run.

    Yields:
        Ends that no user could make sense of.
    """
    wanted: dict[str, tuple[str, ...]] = dict.fromkeys(arena.studies, ())
    for _ in range(len(arena.faults) + MORE_COMMANDS):
        before = len(arena.fired())
        codes = arena.run(wanted)
        new = [arena.faults[one.number].act for one in arena.fired()[before:]]
        for study, code in codes.items():
            if code not in REFUSALS:
                yield f"a command of {study} ended with code {code}"
        again = {
            study: ("--retry", "failed") if codes[study] == 1 else ()
            for study in arena.studies
            if codes.get(study, 0)
        }
        if not again and not any(act in LATE for act in new) and len(codes) == len(wanted):
            if arena.uri:
                yield from synced(arena)
            return
        wanted = again or dict.fromkeys(arena.studies, ())
    yield f"the same command, {len(arena.codes)} times, has not ended well: codes {arena.codes}"


def synced(arena: Arena) -> Iterator[str]:
    """A server that was away to the end gets what it lacks by one more command, or two where it is
    away in that one again."""
    for _ in range(len(arena.faults) + 1):
        if not any(arena.run(dict.fromkeys(arena.studies, ("sync",))).values()):
            return
    yield f"`moleflow sync` ended with codes {arena.codes}"
