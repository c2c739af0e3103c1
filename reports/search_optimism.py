"""What choosing on the test set would have printed, beside what was chosen without it."""

from collections.abc import Sequence
from dataclasses import dataclass

from moleflow.metrics.catalogue import TITLES
from orchestration.records.objective import metric_of
from orchestration.studies.search import Search
from reports.correlating import chance, signed
from reports.digits import p_value, percent
from reports.document import (
    DASH,
    Cell,
    Line,
    Number,
    Source,
    Table,
    Value,
    Words,
    computed,
    table,
)
from reports.evidence import Evidence, keys
from reports.proposals import Proposed, finished, on_test, selection_score
from reports.statistics import ALPHA, Correlation, spearman

FIELDS = (
    *("metric", "proposals", "by_selection", "test_by_selection", "by_test", "test_by_test"),
    *("difference", "spearman", "spearman_low", "spearman_high", "p"),
)


@dataclass(frozen=True)
class Choices:
    """Finished proposals, all of which have a selection score and a test value."""

    metric: str
    """Of the test value."""
    proposals: tuple[Proposed, ...]
    scores: tuple[float, ...]
    tests: tuple[float, ...]

    @property
    def by_selection(self) -> int:
        """Place of the first with the largest selection score."""
        return max(range(len(self.scores)), key=self.scores.__getitem__)

    @property
    def by_test(self) -> int:
        """Place of the first with the largest test value; of equal ones that of the selection."""
        places = range(len(self.tests))
        return max(places, key=lambda i: (self.tests[i], i == self.by_selection))

    @property
    def difference(self) -> float:
        """What the best on test has more there than the best by selection."""
        return self.tests[self.by_test] - self.tests[self.by_selection]

    @property
    def agreement(self) -> Correlation | None:
        """Of ranks; None for one proposal."""
        if len(self.scores) < 2:
            return None
        return spearman(self.scores, self.tests, f"selection and test {self.metric}")

    def source(self, by: object) -> Source:
        of = [record for one in self.proposals for record in one.records]
        return computed(by, keys(of))  # pyright: ignore[reportArgumentType]


def choices(
    evidence: Evidence, found: Sequence[Proposed], search: Search, metric: str
) -> Choices | None:
    """None where a finished proposal lacks one of them, or none has finished."""
    done = finished(found)
    scores = [selection_score(one, search) for one in done]
    tests = [on_test(evidence, one, metric) for one in done]
    known = [(s, t) for s, t in zip(scores, tests, strict=True) if s is not None and t is not None]
    if not known or len(known) < len(done):
        return None
    return Choices(metric, tuple(done), tuple(s for s, _ in known), tuple(t for _, t in known))


def every(evidence: Evidence, found: Sequence[Proposed], search: Search) -> list[Choices]:
    """By the metric of the search first, then by the others that reports conclude on."""
    metrics = dict.fromkeys([metric_of(search), *(m.name for m in evidence.concluded)])
    return [one for m in metrics if (one := choices(evidence, found, search, m)) is not None]


def sentence(found: Choices, search: Search) -> Words:
    """Of the metric that the search chooses by."""
    source = found.source(sentence)
    chosen, best = found.by_selection, found.by_test
    metric, n = TITLES[found.metric], Number(f"{len(found.proposals)} proposals", source)
    first, other = (found.proposals[i].number for i in (chosen, best))
    named = Number(f"proposal {first}", source)
    head = ("On test, the chosen ", named, " has ")
    if search.on_test:
        lead = "By the selection score "
        head = (lead, named, " would have been chosen; on test it has ")
    value = Number(f"{percent(found.tests[chosen])} %", source)
    words: tuple[str | Number, ...] = (*head, value, f" {metric}")
    if best == chosen:
        return (*words, ", the most of all ", n, ": choosing on the test set prints no more.")
    printed = "prints" if search.on_test else "would have printed"
    return (
        *words,
        f"; choosing on the test set {printed} ",
        Number(f"{percent(found.tests[best])} %", source),
        ", of ",
        Number(f"proposal {other}", source),
        " of ",
        n,
        ": ",
        Number(f"{percent(found.difference)} points", source),
        " more.",
    )


def agreement(found: Choices) -> Words:
    """Whether the selection score ranks proposals as the test set does."""
    source, seen = found.source(agreement), found.agreement
    if seen is None or seen.value is None or seen.p is None:
        few = len(found.scores) < 3
        why = "fewer than three proposals have both" if few else "one of them does not vary"
        return f"Whether the two rank proposals alike cannot be told: {why}."
    verdict = "That selection score and test rank proposals alike is not shown"
    if seen.p <= ALPHA:
        alike = "alike" if seen.value > 0 else "against each other"
        verdict = f"Selection score and test rank proposals {alike}"
    told: list[str | Number] = [
        f"{verdict}: over proposals they correlate with ",
        Number(signed(seen.value), source),
        " (Spearman; ",
    ]
    if seen.interval is not None:
        low, high = map(signed, seen.interval)
        told += ["95 %: ", Number(f"{low} to {high}", source), "; "]
    return (*told, Number(chance(seen.p), source), ").")


def choices_table(found: Sequence[Choices], search: Search) -> Table:
    """A line per test metric."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for one in found:
        source, seen = one.source(choices_table), one.agreement
        first, other = (one.proposals[i] for i in (one.by_selection, one.by_test))
        line: dict[str, Value] = {"metric": one.metric, "proposals": len(one.proposals)}
        line |= {"by_selection": first.number, "test_by_selection": one.tests[one.by_selection]}
        line |= {"by_test": other.number, "test_by_test": one.tests[one.by_test]}
        line |= {"difference": one.difference, "spearman": seen.value if seen else None}
        low, high = (seen.interval if seen else None) or (None, None)
        line |= {"spearman_low": low, "spearman_high": high, "p": seen.p if seen else None}
        data.append(Line(line, source))
        span = DASH if low is None or high is None else f"{signed(low)} to {signed(high)}"
        r = DASH if seen is None or seen.value is None else signed(seen.value)
        cells = [
            Cell(percent(one.tests[one.by_selection]), f"proposal {first.number}", source),
            Cell(percent(one.tests[one.by_test]), f"proposal {other.number}", source),
            Cell(percent(one.difference), source=source),
            Cell(r, source=source),
            Cell(span, source=source),
            Cell(p_value(seen.p if seen else None), source=source),
            Cell(str(len(one.proposals)), source=source),
        ]
        rows.append([TITLES[one.metric], *cells])
    caption = (
        "Test values in percent of the proposal with the largest selection score "
        f"({TITLES[metric_of(search)]}) and of the best on test, what choosing on test prints more "
        "in points, and Spearman’s correlation of selection score and test value over finished "
        "proposals (p by permutation)"
    )
    header = (
        *("On test", "Chosen by selection", "Best on test", "Difference", "Correlation"),
        *("95 % interval", "p", "Proposals"),
    )
    whole = computed(choices_table, [key for one in data for key in one.source.trials])
    return table("search_optimism", caption, header, rows, data, whole, 1, FIELDS)
