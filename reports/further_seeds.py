"""What further seeds would tell, and what they would cost: by the noise that was seen, and by the
time that trials of those seeds were at work."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from moleflow.wording import counted, grouped
from orchestration.records.ledger import Record
from reports.digits import MOST_TOLD, at_work, from_to, rounded, says_nothing
from reports.document import DASH, Cell, Number, Source, Value, computed
from reports.statistics import Contrast, Needed

HEADER = "More seeds"
"""Of the column of `cell`."""
IN_TABLE = (
    "more seeds that would most likely give a verdict, below from the fewest to the most that a "
    "95 % interval of the noise leaves open, and how long the trials of one were at work"
)
"""What the column shows, for a table's caption."""


@dataclass(frozen=True)
class Further:
    """How many more seeds would most likely tell something that these do not."""

    have: int
    more: int | None
    """None: more than anyone runs."""
    between: Needed | None
    """From the fewest to the most that the noise leaves open; None where nothing is asked of
    further seeds, or no noise was seen."""
    seconds: float | None
    """That trials of one seed were at work."""

    @property
    def minutes(self) -> float | None:
        """That the number of seeds would take."""
        if self.more is None or self.seconds is None:
            return None
        return self.more * self.seconds / 60

    @property
    def number(self) -> str:
        """A dash where the ends lie too far apart for a number between them; else empty."""
        if self.between is None:
            return ""
        return DASH if says_nothing(*self.between) else rounded(self.more, round)

    @property
    def ends(self) -> str:
        """Empty where no end is a number that anyone runs, or both are the same."""
        low, high = self.between or (None, None)
        wanted = low is not None and low <= MOST_TOLD and low != high
        return from_to(low, high) if wanted else ""

    def words(self, source: Source, tell: str = "tell") -> list[str | Number]:
        """How many, and what each costs; none where nothing is asked of further seeds.

        Args:
            source: of the trials whose time is told.
            tell: what they would do.
        """
        if self.between is None:
            return []
        low, high = self.between
        own = computed(Further.words, source.trials)
        if low is None or low > MOST_TOLD:
            return [Number(f"over {grouped(MOST_TOLD)} more seeds", own), " would be needed"]
        if says_nothing(low, high):
            have = Number(f"{self.have} seeds", own)
            said = [have, f" do not say how many more would {tell}: ", Number(self.ends, own)]
        else:
            about = "about " if self.more is not None and self.more <= MOST_TOLD else ""
            many = "1 more seed" if self.more == 1 else f"{about}{self.number} more seeds"
            many = counted(low, "more seed") if low == high else many
            said = [Number(many, own), f" would most likely {tell}"]
            said += [", ", Number(self.ends, own)] if self.ends else []
        if self.seconds is None:
            return said
        return [*said, ", each ", Number(at_work(self.seconds), source), " of work"]

    def _shortly(self) -> list[str]:
        """Number and ends, as far as there are some."""
        return [text for text in (self.number.removeprefix(DASH), self.ends) if text]

    def short(self, lead: str) -> str:
        """Number and ends after some words; empty where nothing is asked of further seeds."""
        told = self._shortly()
        return f"{lead}: {', '.join(told)}" if told else ""

    def short_words(self, lead: str, source: Source) -> list[str | Number]:
        """The same for a sentence, of these trials."""
        told = self._shortly()
        own = computed(Further.words, source.trials)
        return [f"{lead}: ", Number(", ".join(told), own)] if told else []

    def cell(self, source: Source, below: str = "") -> Cell:
        """Of the column; a dash where nothing is asked of further seeds.

        Args:
            below: stands under the rest.
        """
        wanted = self.seconds is not None and self.between and self.more != 0
        takes = f"each {at_work(self.seconds or 0)}" if wanted else ""
        notes = "\n".join(filter(None, (self.ends, takes, below)))
        return Cell(self.number or DASH, notes, source)


def to_decide(result: Contrast, seconds: float | None) -> Further:
    """A contrast.

    Args:
        seconds: that trials of one seed were at work, of both sides.
    """
    # In this order: where there is a range, there may be a number.
    between = result.seeds_to_decide_range
    return Further(result.n, result.seeds_to_decide, between, seconds)


def seconds_per_seed(records: Iterable[Record]) -> float | None:
    """At work, of the trials of one seed, each trial once; None without a trial."""
    took = {record.key: record for record in records}
    seeds = {record.seed for record in took.values()}
    return math.fsum(r.working_seconds for r in took.values()) / len(seeds) if seeds else None


def priced(result: Contrast | None, seconds: float | None) -> dict[str, Value]:
    """Fields for a CSV file: what one more seed costs, and what those that would decide do."""
    cost = result.minutes_to_decide(seconds / 60) if result and seconds is not None else None
    return {"seconds_per_seed": seconds, "minutes_to_decide": cost}


def soonest(open_: Sequence[tuple[str, Further, Source]]) -> list[str | Number]:
    """Which of them the fewest further seeds would decide, how many, and what each costs; tables
    have all.

    Args:
        open_: names, and of which trials each is.
    """
    told = [
        (math.inf if one.more is None else one.more, name, one, source)
        for name, one, source in open_
        if one.between
    ]
    if not told:
        return []
    _, name, one, source = min(told, key=lambda of: of[:2])
    lead = f"; {'' if len(open_) == 1 else 'soonest decided, '}{name}: "
    return [lead, *one.words(source)]
