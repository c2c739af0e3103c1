"""Does it matter which task is learned first, and which should be?"""

from collections.abc import Iterator, Sequence

from reports import (
    base_loss,
    doubt_columns,
    first_task,
    first_task_pairs,
    made,
    papers_by_class,
    performance,
    picture_doubt,
    settings_answer,
    variance,
)
from reports.digits import left_out, percent
from reports.document import (
    Block,
    Document,
    Fold,
    Listed,
    Number,
    Section,
    Text,
    Words,
    note,
)
from reports.doubt_columns import Decided
from reports.evidence import Evidence, Setting, keys
from reports.first_task import TOO, FirstTasks
from reports.first_task_pairs import Pair
from reports.picture_doubt import Kept

SUBJECT = "Which task first"
TOO_FEW = "Fewer than two tasks 0 with two seeds each have finished: nothing to compare."
ONE_FIRST = "All trials begin with the same task: there is no other task 0 to compare."


def document(evidence: Evidence) -> Document:
    """The report of a study that varies task 0."""
    sections: list[Section] = []
    kept = picture_doubt.kept(evidence)
    answer: list[Words] = []
    for setting in evidence.settings:
        every = [first_task.first_tasks(evidence, setting, m, kept) for m in evidence.concluded]
        found = [one for one in every if one is not None]
        pairs = [first_task_pairs.pairs(evidence, one, kept) for one in found]
        told: list[Words] = [sentence(evidence, one) for one in found]
        for one, of in zip(found, pairs, strict=True):
            told += _on_other_pictures(evidence, one, of, kept)
        if not told and setting.finished:
            several = len({trial.sequence[0] for trial in setting.trials}) > 1
            told = [TOO_FEW if several else ONE_FIRST]
        answer += [words for words in told if words not in answer]
        shown = [*made.in_short(setting, told), *_results(evidence, setting, found, pairs, kept)]
        sections += made.of_setting(setting, shown) if shown else ()
    if len(evidence.settings) > 1:
        together = settings_answer.on_first_tasks(evidence, evidence.settings, kept)
        answer = [*together, settings_answer.EACH] if together else [TOO_FEW]
    sections += papers_by_class.sections(evidence)
    return made.report(
        evidence, SUBJECT, [Listed(tuple(answer))] if answer else [], sections, answer
    )


def sentence(evidence: Evidence, found: FirstTasks) -> Words:
    """Verdict and n first, then how much, which is best and what would settle it."""
    verdict, source = found.verdict, found.source_of(sentence)
    told = {
        "equivalent": ", it does not matter which task is first",
        "different": ", it matters which task is first",
        "undecided": "",
    }[verdict.verdict]
    others, lost = found.on_other_pictures, left_out(found.left_out, "trial")
    words: list[str | Number] = [
        f"{found.metric.title}: ",
        Number(verdict.verdict, source),
        f"{told} (",
        Number(f"n = {len(found.seeds)} seeds", source),
        " of ",
        Number(f"{len(found.names)} tasks 0", source),
        f"; margin {percent(found.metric.margin, 1)} points",
        *(["; ", Number(lost, source)] if lost else []),
        "). Their means lie within ",
        Number(f"{percent(verdict.range)} points", source),
        ", and true ones within ",
        Number(f"{percent(verdict.upper)} points", source),
        " with 95 % confidence over seeds",
    ]
    if others:
        words += [", within ", Number(f"{percent(others.upper)} points", source), f"{TOO}. "]
    else:
        words.append(" alone. ")
    if verdict.identical:
        return (*words, "Every seed gave all of them the same number.")
    return (*words, "Most likely best: ", *first_task.most_likely(evidence, found, sentence), ".")


def _on_other_pictures(
    evidence: Evidence, found: FirstTasks, pairs: Sequence[Pair], kept: Kept
) -> list[Words]:
    """What pictures leave open of the means, and which differences stay clear of zero."""
    metric = found.metric.name
    means = first_task.on_other_pictures(evidence, found, kept)
    told: list[Words] = [doubt_columns.sentence(metric, means)] if means else []
    decided: list[Decided] = []
    for pair in pairs if means else ():
        name = f"{evidence.tasks[pair.first]} − {evidence.tasks[pair.second]}"
        decided += [(name, pair.pictures, pair.interval)] if pair.differ else []
    if decided:
        trials = keys(found.records)
        told.append(doubt_columns.held(_on_other_pictures, metric, decided, trials))
    return told


def _results(
    evidence: Evidence,
    setting: Setting,
    found: list[FirstTasks],
    pairs: list[list[Pair]],
    kept: Kept,
) -> list[Section]:
    if not found:
        return []
    every_two = [
        first_task_pairs.pairs_table(evidence, setting, one, of)
        for one, of in zip(found, pairs, strict=True)
    ]
    return [
        Section(
            "Tasks 0 compared",
            (
                *_compared(evidence, setting, found, kept),
                Fold("Every two tasks 0", tuple(every_two)),
            ),
        ),
        Section(
            "Where differences come from",
            (
                variance.components_table(evidence, setting, found, kept),
                performance.class_table(evidence, setting),
                performance.task0_table(evidence, setting),
            ),
        ),
        Section(
            "Does the base’s training loss foretell the result?",
            tuple(base_loss.blocks(evidence, setting, found)),
        ),
    ]


def _compared(
    evidence: Evidence, setting: Setting, found: Sequence[FirstTasks], kept: Kept
) -> Iterator[Block]:
    yield first_task.verdicts_table(evidence, setting, found)
    yield first_task.dots(evidence, setting, found)
    yield note(
        "The unit is the seed: a mean over the orders run with it. All tasks 0 share the seeds, "
        "which are blocks; the noise is taken to be the same for each. Equivalent comes first: a "
        "difference that is real but inside of the margin is equivalent, and undecided is not "
        "equivalent."
    )
    for one in found:
        if one.left_out:
            lost = Number(left_out(one.left_out, "trial"), one.source_of(sentence))
            yield Text((f"{one.metric.title}: ", lost, "."))
    for one in found:
        yield first_task.effects_table(evidence, setting, one, kept)
    yield from doubt_columns.explained(evidence, kept)
