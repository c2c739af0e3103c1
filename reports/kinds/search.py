"""What was proposed, what was chosen, and on what?"""

from collections.abc import Sequence

from moleflow.metrics.catalogue import TITLES
from orchestration.records.objective import metric_of
from orchestration.studies.search import Search
from reports import (
    doubt_columns,
    made,
    picture_doubt,
    search_history,
    search_importance,
    search_optimism,
)
from reports.digits import DASH, percent
from reports.document import (
    Block,
    Cell,
    Document,
    Number,
    Section,
    Table,
    Text,
    Words,
    computed,
    note,
    table,
)
from reports.document.parts import Value
from reports.doubt_columns import Known
from reports.evidence import Evidence, keys
from reports.performance import in_whole_seeds
from reports.picture_doubt import Kept, doubted
from reports.proposals import Proposed, best, finished, on_test, proposed
from reports.search_optimism import Choices

SUBJECT = "Search"
OPTIMISM = (
    "The largest of several noisy numbers is larger than what it is a number of: that of what was "
    "chosen is too good, on what it was chosen by. "
)
UNTOLD = (
    "By how much the number of what was chosen is too good cannot be told: nothing but the test "
    "set was measured. With data.held_out set, trials have a selection score too (docs/search.md)."
)
NOT_BOTH = (
    "Nothing is compared: no proposal has finished, or one that has lacks a selection score or a "
    "test value."
)
ON_TEST = "It was chosen on the test set, so its test metrics are too good, and no evidence."
NOT_ON_TEST = "Its test metrics had no part in the choice."


def document(evidence: Evidence) -> Document:
    """The report of a study with a Search."""
    search = evidence.plan.study.search_axis
    if search is None:
        told = "The study has no Search axis, so there is nothing to say here."
        return made.report(evidence, SUBJECT, [Text(told)], [], [told])
    found = proposed(evidence, search)
    chosen = best(found)
    words = sentence(chosen, found, search)
    answer: list[Block] = [Text(words)]
    if chosen is not None:
        bad = Text(OPTIMISM + ON_TEST, "bad")
        answer.append(bad if search.on_test else note(OPTIMISM + NOT_ON_TEST))
    optimism = search_optimism.every(evidence, found, search)
    told = [words]
    if optimism and optimism[0].metric == metric_of(search):
        told.append(search_optimism.sentence(optimism[0], search))
        answer.append(Text(told[-1]))
    kept = picture_doubt.kept(evidence)
    pictures = on_other_pictures(evidence, found, search, kept)
    if chosen is not None and pictures:
        of_chosen = [("", pictures[found.index(chosen)])]
        told.append(doubt_columns.sentence(metric_of(search), of_chosen))
        answer.append(Text(told[-1]))
    proposals = proposals_table(evidence, found, search, pictures)
    how = doubt_columns.explained(evidence, kept) if pictures else []
    sections = [
        Section("Proposals", (*_history(found, search), proposals, *how)),
        Section("Choosing on the test set", _optimism(optimism, search)),
        Section("Which setting matters", _importance(found, search)),
    ]
    return made.report(evidence, SUBJECT, answer, sections, told)


def _history(found: Sequence[Proposed], search: Search) -> tuple[Block, ...]:
    drawn = search_history.figure(found, search)
    return (drawn,) if drawn else ()


def _optimism(found: Sequence[Choices], search: Search) -> tuple[Block, ...]:
    if not found:
        return (Text(UNTOLD if search.on_test else NOT_BOTH),)
    return (
        search_optimism.choices_table(found, search),
        Text(search_optimism.agreement(found[0])),
        note(
            "The difference is in part luck of the best on test and in part that the selection "
            "score chose a worse one; other test pictures alone could tell the two apart."
        ),
    )


def _importance(found: Sequence[Proposed], search: Search) -> tuple[Block, ...]:
    seen = search_importance.importance(found, search)
    if not isinstance(seen, search_importance.Importance):
        return (Text(seen),)
    return (
        Text(search_importance.sentence(seen)),
        search_importance.importance_table(seen, search),
        note(
            "A share is of what sets the best apart, not of a variance. Where a setting does "
            "nothing, its share is noise and not 0, which is what p is for."
        ),
    )


def sentence(chosen: Proposed | None, found: Sequence[Proposed], search: Search) -> Words:
    metric = TITLES[metric_of(search)]
    on = "the test set" if search.on_test else "held-out normal pictures and drawn defects"
    if chosen is None:
        return f"No proposal has finished yet, of {search.trials}."
    done = len(finished(found))
    source = computed(sentence, keys(chosen.records))
    all_of_them = computed(sentence, keys([r for one in found for r in one.records]))
    return (
        "Chosen is ",
        Number(f"proposal {chosen.number} ({chosen.settings})", all_of_them),
        " of ",
        Number(f"{done} that finished", all_of_them),
        f", by the largest {metric} on {on}: ",
        Number(f"{percent(chosen.value)} %", source),
        ".",
    )


def on_other_pictures(
    evidence: Evidence, found: Sequence[Proposed], search: Search, kept: Kept
) -> list[Known]:
    """Of each proposal’s mean on test; nothing of a metric that kept scores tell nothing of."""
    metric = metric_of(search)
    if not doubt_columns.has_pictures(metric):
        return []
    measured = [
        in_whole_seeds(one.records)
        if on_test(evidence, one, metric) is not None
        and all(record.status == "finished" for record in one.records)
        else []
        for one in found
    ]
    return [doubted(evidence, kept, metric, [(1, records)]) for records in measured]


def proposals_table(
    evidence: Evidence, found: Sequence[Proposed], search: Search, pictures: Sequence[Known]
) -> Table:
    """What each was measured as, and the best so far; on test over test pictures, too."""
    source = computed(proposals_table, keys(evidence.records))
    metric = metric_of(search)
    rows: list[list[Cell | str]] = []
    lines: list[dict[str, Value]] = []
    shown = doubt_columns.caption(pictures)
    so_far: float | None = None
    for i, one in enumerate(found):
        if one.value is not None:
            so_far = max(one.value, so_far or 0.0)
        test = on_test(evidence, one, metric)
        cells: list[Cell | str] = [percent(one.value), percent(so_far), percent(test)]
        cells += [doubt_columns.both_cell(pictures[i], proposals_table)] if shown else []
        rows.append([str(one.number), one.settings or DASH, one.outcome, *cells])
        line: dict[str, Value] = {"proposal": one.number, "settings": one.settings}
        line |= {"outcome": one.outcome, "value": one.value, "best_so_far": so_far, "test": test}
        lines.append(line | (doubt_columns.both_fields(pictures[i]) if pictures else {}))
    title = TITLES[metric]
    by = "on the test set" if search.on_test else "for selection"
    header = ("Proposal", "Settings", "Outcome", f"{title} {by}", "Best so far", f"{title} on test",
              *[doubt_columns.HEADER] * bool(shown))  # fmt: skip
    told = (
        "Proposals in order, in percent: mean over classes and replicates, routed, at the end",
        *shown,
    )
    fields = () if lines else ("proposal", "settings", "outcome", "value", "best_so_far", "test")
    return table("proposals", told, header, rows, lines, source, 3, fields)
