"""What was found of one number, and what was recomputed of every line of every table."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

from moleflow.metrics.catalogue import TITLES
from reports.audit.claim import Verdict

WORD = re.compile(r"\d[\d.,]*\d|\d")
BASE = "the base config"
NAMES = {title: name for name, title in TITLES.items()}

SAYS_WHAT = {
    *("metric", "definition", "routing", "class", "task", "step", "name", "order", "task0"),
    *("source", "scope", "trial", "field", "fingerprint", "setting", "baseline", "other"),
    *("table", "config", "claim", "without", "part", "design", "corner", "first", "second"),
    *("factor", "other_in", "axes", "proposal", "searched", "also"),
}
"""Columns that say what a line is of."""


@dataclass(frozen=True)
class Finding:
    """Of one number, or of a whole table."""

    place: str
    verdict: Verdict
    why: str
    printed: str = ""
    recomputed: str = ""
    function: str = ""


@dataclass(frozen=True)
class Made:
    """A line of a table as it should be."""

    function: str
    trials: frozenset[str]
    says: frozenset[tuple[str, str]]
    """Column and text of what says what it is of."""
    values: tuple[float, ...]
    texts: frozenset[str]
    columns: Mapping[str, object] = field(default_factory=dict[str, object])
    """What should stand in each column of the file."""
    further: frozenset[str] = frozenset()
    """How a sentence tells further seeds."""
    unchecked: Mapping[str, float] = field(default_factory=dict[str, float])
    """Numbers of the file, by column, that no second way computes."""

    @property
    def as_printed(self) -> "Made":
        """With these as if they were recomputed."""
        values = (*self.values, *self.unchecked.values())
        return replace(self, values=values, columns={**self.columns, **self.unchecked})

    @cached_property
    def words(self) -> frozenset[str]:
        """Numbers in its texts."""
        return frozenset(word for said in self.texts for word in WORD.findall(said))

    @cached_property
    def spreads(self) -> list[tuple[object, object]]:
        """Means and their standard deviations, as far as columns are called so."""
        found: list[tuple[object, object]] = []
        for name in (one for one in self.columns if one.endswith(("sd", "spread"))):
            stem = name.removesuffix("sd").removesuffix("spread").rstrip("_")
            means = dict.fromkeys((stem, f"{stem}_mean".lstrip("_"), "mean"))
            found += [(self.columns[m], self.columns[name]) for m in means if m in self.columns]
        return found

    def is_called(self, text: str) -> bool:
        """Whether it is of what a page calls so."""
        return any(text in names_of(said) or NAMES.get(text) == said for _, said in self.says)


@lru_cache(1 << 12)
def names_of(said: str) -> frozenset[str]:
    """What a page may call a setting of this label: without the part of a union that it is of, or
    the part first, and its own name alone where that is all it has."""
    rest, has_part, part = f", {said}".rpartition(", part = ")
    own = rest.removeprefix(", ") if has_part else said
    short = own.removeprefix("variant = ")
    every = {one for one in (own, short if ", " not in short else own) if one} or {BASE}
    return frozenset({said, *every} | ({f"{part}: {one}" for one in every} if has_part else set()))


@dataclass
class Shown:
    """Lines of tables that pages rest on, by the file of their table."""

    on_pages: frozenset[Path]
    """Tables of which pages have rows; lines of others, which may be very many, are not kept."""
    lines: dict[Path, list[Made]] = field(default_factory=dict[Path, list[Made]])

    def add(self, table: Path, line: Made) -> None:
        self.lines.setdefault(table, []).append(line)

    def further(self, trials: Iterable[str], metric: str) -> frozenset[str]:
        """What a sentence of just these trials may say of further seeds, of a metric or any."""
        named, found = frozenset(trials), set[str]()
        for line in self._of_trials.get(named, ()):
            said = dict(line.says).get("metric", metric)
            found |= line.further if metric in ("", said) else set()
        return frozenset(found)

    @cached_property
    def _of_trials(self) -> dict[frozenset[str], list[Made]]:
        """Lines that say something of further seeds, by their trials, once all lines are there."""
        found: dict[frozenset[str], list[Made]] = {}
        for line in (one for of in self.lines.values() for one in of if one.further):
            found.setdefault(line.trials, []).append(line)
        return found

    def of_row(self, table: Path, texts: Sequence[str]) -> list[list[Made]]:
        """Lines that a row of the page may be of: those that say what it says; where none do, any
        that agree in what one column says."""
        every = self.lines.get(table, [])
        named = every
        for text in texts:
            named = [line for line in named if text and line.is_called(text)] or named
        if len(named) < len(every):
            return [named]
        found: dict[tuple[str, str], list[Made]] = {}
        for line in every:
            for one in line.says:
                found.setdefault(one, []).append(line)
        return [*found.values()] or [every]


def of_trials(lines: Sequence[Made], function: str, trials: Iterable[str]) -> list[Made]:
    """Those of a function that a cell of these trials may show: of just these trials; where it
    names none, or no line is of just these, any."""
    own = [line for line in lines if line.function == function]
    named = frozenset(trials)
    return [line for line in own if named and line.trials == named] or own
