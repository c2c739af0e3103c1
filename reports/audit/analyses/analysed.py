"""What lies of an analysis of a trial, as plain text, and what should stand there."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from moleflow.errors import StoreError
from moleflow.files import read_regular
from reports.audit.distributions import normal_quantile
from reports.audit.lines import lines_of
from reports.audit.records import Records, Trial

Table = list[dict[str, str]]
Value = float | str | None
LINES = "number of lines"
"""Instead of a column: of the whole table."""
CLOSE = 1e-9
NUMBER = r"(−?\d[\d,]*\.?\d*)"


@dataclass(frozen=True)
class Should:
    """What should stand in a place of a table."""

    table: str
    line: int
    """From 0."""
    column: str
    value: Value
    """None: nothing."""
    recorded: bool = False
    """Whether the trial's record has it, and the model was asked anew."""


@dataclass(frozen=True)
class Says:
    """A sentence with `{}` for each of its numbers, and what these should be."""

    sentence: str
    numbers: Sequence[float] = ()

    def fits(self, said: str) -> bool:
        """Whether the words are these, and each number rounds to what is said."""
        words = NUMBER.join(map(re.escape, self.sentence.split("{}")))
        found = re.fullmatch(words, said)
        return found is not None and all(
            abs(float(text.replace("−", "-").replace(",", "")) - value) <= half_a_digit(text)
            for text, value in zip(found.groups(), self.numbers, strict=True)
        )

    def __str__(self) -> str:
        return self.sentence.format(*(f"{value:.6g}" for value in self.numbers))


def half_a_digit(text: str) -> float:
    """Of the last one printed."""
    return 0.5 * 10.0 ** -len(text.partition(".")[2]) * (1 + CLOSE)


@dataclass(frozen=True)
class Analysed:
    """The tables of all analyses of a trial."""

    tables: Mapping[str, Table]
    trial: Trial
    records: Records

    @property
    def config(self) -> Mapping[str, Any]:
        return self.trial.recorded["config"]

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        return tuple("+".join(task) for task in self.trial.sequence)

    @cached_property
    def own(self) -> dict[str, str]:
        """The task of each class, in the order of the sequence."""
        return {name: "+".join(task) for task in self.trial.sequence for name in task}

    def pictures(self, task: str, *kinds: str) -> int:
        """How many the record has of a task's classes."""
        return sum(self.trial.data[c][kind] for c in task.split("+") for kind in kinds)

    def at_the_end(self, metric: str, routing: str, name: str) -> float | None:
        """Of a class, as the record has it."""
        return self.trial.value(metric, "step", routing, name, len(self.tasks))


def numbers(lines: Iterable[Mapping[str, str]], column: str) -> list[float]:
    """Those that are there."""
    return [float(line[column]) for line in lines if line[column]]


def whole(text: str) -> int:
    """A count."""
    return int(float(text))


def grouped(lines: Iterable[dict[str, str]], *columns: str) -> dict[tuple[str, ...], Table]:
    """By what stands in some columns, as it comes."""
    found: dict[tuple[str, ...], Table] = {}
    for line in lines:
        found.setdefault(tuple(line[column] for column in columns), []).append(line)
    return found


def column_of(table: str, column: str, values: Iterable[Value]) -> Iterator[Should]:
    """A whole column, and with it the number of lines."""
    known = list(values)
    yield Should(table, 0, LINES, len(known))
    for line, value in enumerate(known):
        yield Should(table, line, column, value)


def within(hits: int, n: int) -> tuple[float | None, float | None]:
    """Wilson's 95 % interval of a share: where it is z standard errors of its own ends away."""
    if n == 0:
        return None, None
    share, z2 = hits / n, normal_quantile(0.975) ** 2 / n
    a, half_b = 1 + z2, share + z2 / 2
    high = (half_b + math.sqrt(half_b**2 - a * share**2)) / a
    return share**2 / (a * high), high


def kept_of(path: Path) -> dict[str, Any]:
    """What an analysis says of itself.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        found = json.loads(read_regular(path))
        if found["name"] != path.stem:
            raise ValueError(f"it is of {found['name']}")
        texts = {name: str(found[name]) for name in ("name", "function", "finding", "n")}
        lists = {"captions": dict(found["captions"]), "notes": list(found["notes"])}
        return {**found, **texts, **lists}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: cannot be read ({error!r})") from error


def tables_of(folder: Path, kept: Mapping[str, Any]) -> dict[str, Table]:
    """Those of an analysis.

    Raises:
        StoreError: one cannot be read.
    """
    return {name: lines_of(folder / f"{name}.csv") for name in kept["captions"]}


Rule = Callable[[Analysed], Iterator[Should]]
Sentence = Callable[[Analysed], Says]
