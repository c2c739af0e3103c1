"""What every report says of its study: what was asked and run, what did not finish, and its end."""

import textwrap
from collections.abc import Iterable, Sequence

from moleflow.wording import counted
from orchestration.records.ledger import Record
from reports import how_many, maps, papers, provenance
from reports.document import (
    Block,
    Code,
    Document,
    Facts,
    Fold,
    Listed,
    Number,
    Section,
    Text,
    Words,
    computed,
    note,
    plain,
)
from reports.evidence import Evidence, Setting, keys
from reports.variants import called


def report(
    evidence: Evidence,
    subject: str,
    answer: Sequence[Block],
    sections: Sequence[Section],
    headline: Sequence[Words],
    pictured: Iterable[Record] = (),
) -> Document:
    """A report with what all of them have: what is missing, pictures first, what was published on
    the same question, what was run, and what did not finish.

    Args:
        headline: the answer for a terminal, a sentence each.
        pictured: trials whose anomaly maps are shown, the first that kept some; default: any.
    """
    shown = tuple(pictured) or evidence.finished
    published = papers.section(evidence)
    return Document(
        title=evidence.plan.name,
        subject=subject,
        question=evidence.plan.study.question,
        answer=(*incomplete(evidence), *answer),
        sections=(
            *([Section("What it looks like", (maps.strip(evidence, shown),))] if shown else []),
            *sections,
            *([published] if published else []),
            asked(evidence),
            unfinished(evidence),
        ),
        headline="\n".join(terminal(evidence, headline)),
        end=end(evidence),
    )


def in_short(setting: Setting, told: Sequence[Words]) -> list[Section]:
    """What is said of one of several settings, for the head of its part; where there is one, its
    report says it at its own."""
    return [Section("In short", (Listed(tuple(told)),))] if setting.label and told else []


def names(setting: Setting) -> Sequence[Block]:
    """Other names that the study has for it."""
    return (note(f"One setting under several names; {setting.also}."),) if setting.also else ()


def of_setting(setting: Setting, found: Sequence[Section]) -> Sequence[Section]:
    """Its part of a report, below a title of its own where there are several settings."""
    if not setting.label:
        return found
    title = f"Setting {setting.number}: {called(setting)}"
    return [Section(title, (*names(setting), *found))]


def terminal(evidence: Evidence, sentences: Sequence[Words]) -> list[str]:
    """What is not in the sentences, and then these, in lines of at most 100 columns."""
    found = [plain(block.words) for block in incomplete(evidence)]
    found += [plain(sentence) for sentence in sentences]
    return [line for text in found for line in textwrap.wrap(text, 100)]


def asked(evidence: Evidence) -> Section:
    """Data, settings, machines, time."""
    source = computed(provenance.facts, keys(evidence.records))
    facts = [(name, (Number(value, source),)) for name, value in provenance.facts(evidence)]
    config = provenance.config_table(evidence)
    return Section(
        "What was asked and run",
        (
            Facts(tuple(facts)),
            provenance.data_table(evidence),
            provenance.orders_table(evidence),
            Fold(f"All settings ({len(config.rows)} fields)", (config,)),
        ),
    )


def incomplete(evidence: Evidence) -> list[Text]:
    """Says where numbers are not those of the whole study."""
    told = dict(provenance.facts(evidence))["Trials"]
    trials = Number(told, computed(provenance.facts, keys(evidence.records)))
    if not evidence.finished:
        return [Text(("No trial has finished, so there are no results: ", trials, "."), "bad")]
    if evidence.unfinished or evidence.missing:
        return [Text(("Not all of the study is in these numbers: ", trials, "."), "bad")]
    return []


def unfinished(evidence: Evidence) -> Section:
    """Every trial that diverged, failed or was not run yet."""
    found: list[Block] = []
    if not evidence.unfinished and not evidence.missing:
        planned = how_many.trials(evidence.finished)
        found.append(Text(("Nothing did not: ", planned, " were planned, and all finished.")))
    found.append(provenance.failures_table(evidence))
    found += [_failure(record) for record in evidence.unfinished if _has_more(record)]
    found.append(provenance.missing_table(evidence))
    return Section("What did not finish", tuple(found))


def _has_more(record: Record) -> bool:
    failure = record.failure
    return failure is not None and bool(failure.traceback or failure.numbers)


def _failure(record: Record) -> Fold:
    """Last numbers and traceback."""
    failure = record.failure
    assert failure is not None
    found: list[Block] = []
    if failure.numbers:
        numbers = ", ".join(f"{name} = {value}" for name, value in failure.numbers.items())
        found.append(Text((Number(numbers, computed(_failure, (record.key,))),)))
    if failure.traceback:
        found.append(Code(failure.traceback))
    return Fold(f"{record.key}: last numbers and traceback", tuple(found))


def end(evidence: Evidence) -> Words:
    """What it was made from, and how to read it."""
    records = Number(
        counted(len(evidence.records), "record"), computed(end, keys(evidence.records))
    )
    return (
        "Made from study.json and the ledger: ",
        records,
        ". Means use finished trials only. “–” stands where there is no number. A click on a "
        "number shows the trials that it was computed of. All numbers at full precision: "
        "tables/*.csv; where each line comes from: tables/*.sources.json.",
    )
