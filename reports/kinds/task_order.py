"""How sensitive are the results to task 0, the order after it, and the seed?"""

import textwrap
from collections.abc import Sequence
from dataclasses import replace

from moleflow.wording import counted
from reports import (
    confusions,
    doubts,
    figures,
    invariance,
    made,
    order_answer,
    order_section,
    papers_by_class,
    performance,
    picture_doubt,
    sensitivity,
    settings_answer,
)
from reports.document import (
    Block,
    Document,
    Fold,
    Gallery,
    Listed,
    Number,
    Section,
    Table,
    Text,
    Words,
    computed,
    note,
    plain,
)
from reports.document.csv import to_text
from reports.evidence import Evidence, Setting, keys
from reports.invariance import Invariance
from reports.order_section import AllOrders
from reports.picture_doubt import Kept

SUBJECT = "Task-order sensitivity"
Answers = dict[int, tuple[Words, ...]]
"""Sentences by the setting's number."""


def document(evidence: Evidence) -> Document:
    """The report of a study that varies task 0 and the order."""
    shown = [setting for setting in evidence.settings if setting.finished]
    compared = {setting.number: invariance.compare(setting.finished) for setting in shown}
    kept = picture_doubt.kept(evidence)
    orders = {s.number: order_section.all_of(evidence, s, compared[s.number], kept) for s in shown}
    answers = {s.number: order_answer.sentences(evidence, s, kept) for s in shown}
    each = {s.number: _told(evidence, s, answers, compared, orders, kept) for s in shown}
    results: list[Section] = []
    for setting in shown:
        of = orders[setting.number]
        found = _results(evidence, setting, compared[setting.number], of, kept)
        said = made.in_short(setting, each[setting.number])
        results += made.of_setting(setting, [*said, *found])
    results += papers_by_class.sections(evidence)
    several = len(evidence.settings) > 1
    told = [words for of in each.values() for words in of]
    if several:
        told = [*settings_answer.on_orders(evidence, shown, kept), settings_answer.EACH]
    answer: list[Block] = [Listed(tuple(told))] if shown else []
    wrong = sum(len(compared[setting.number].mismatches) for setting in shown)
    if wrong:
        trials = [key for setting in shown for key in compared[setting.number].trials]
        many = Number(counted(wrong, "mismatch"), computed(invariance.compare, trials))
        answer.append(Text((many, ": see “Order invariance”."), "bad"))
    made_ = made.report(evidence, SUBJECT, answer, results, told)
    return made_ if several else replace(made_, headline=_headline(evidence, shown, answers))


def _told(
    evidence: Evidence,
    setting: Setting,
    answers: Answers,
    compared: dict[int, Invariance],
    orders: dict[int, AllOrders],
    kept: Kept,
) -> list[Words]:
    """All that is said of a setting."""
    found: list[Words] = [*orders[setting.number].effect, *answers[setting.number]]
    found.append(performance.one_task_sentence(setting) or compared[setting.number].words)
    found += orders[setting.number].answer
    return [*found, doubts.sentence(evidence, setting, kept)]


def _results(
    evidence: Evidence, setting: Setting, compared: Invariance, orders: AllOrders, kept: Kept
) -> list[Section]:
    return [
        Section("Order invariance", tuple(_invariance(evidence, setting, compared))),
        *orders.sections,
        Section("Results", tuple(_performance(evidence, setting))),
        doubts.section(evidence, setting, kept),
        Section("Sensitivity", tuple(_sensitivity(evidence, setting))),
        Section("Learning over time", tuple(_over_time(evidence, setting))),
        Section("Routing", tuple(_routing(evidence, setting))),
    ]


def _performance(evidence: Evidence, setting: Setting) -> list[Block]:
    drawn = figures.by_order(evidence, setting)
    return [
        performance.main_table(evidence, setting),
        note(
            "Trials that share task 0 and seed share what they learn, so they are not independent; "
            "intervals are therefore over seeds, each seed’s mean over all orders, and are given "
            "from three seeds on. The column “Classes” says over how many classes the mean is "
            "taken: a class without masks has no pixel metric."
        ),
        *([drawn] if drawn else []),
        performance.task0_table(evidence, setting),
        performance.order_table(evidence, setting),
        performance.class_table(evidence, setting),
    ]


def _sensitivity(evidence: Evidence, setting: Setting) -> list[Block]:
    return [
        note(sensitivity.caveat(setting)),
        sensitivity.spread_table(evidence, setting),
        note(
            "Between orders: among trials with the same task 0 and seed. Between seeds: among "
            "trials with the same order."
        ),
        sensitivity.decomposition_table(evidence, setting),
        sensitivity.disparity_table(evidence, setting),
        note(
            "OPD of a class is its largest minus its smallest final number over orders, averaged "
            "over seeds; AOPD is the mean over classes and MOPD the largest, with the class it "
            "belongs to."
        ),
    ]


def _invariance(evidence: Evidence, setting: Setting, compared: Invariance) -> list[Block]:
    found: list[Block] = [
        note(
            "With a frozen base, what a task learns depends on task 0, seed and config alone. "
            "Trials that share these and differ in order are compared by the SHA-256 of what they "
            "recorded: each trial of a group against the group’s first."
        ),
        Text(compared.words),
    ]
    mismatches = invariance.mismatch_table(compared, setting)
    kept = invariance.certificate_table(evidence, setting)
    return [*found, *(one for one in (kept, mismatches) if one.rows)]


def _over_time(evidence: Evidence, setting: Setting) -> list[Block]:
    one_task = performance.one_task_sentence(setting)
    found: list[Block] = [Text(one_task)] if one_task else []
    drawn = figures.r_matrices(evidence, setting)
    if drawn:
        found.append(Gallery(tuple(drawn)))
        many = f"{len(drawn)} of {counted(len(evidence.orders), 'order')}"
        source = computed(figures.r_matrices, keys(setting.finished))
        found.append(note((Number(many, source), " drawn.")))
    else:
        found.append(Text("No finished trial recorded an R matrix."))
    matrices = performance.r_matrix_table(evidence, setting)
    return [*found, matrices, performance.transfer_table(evidence, setting)]


def _routing(evidence: Evidence, setting: Setting) -> list[Block]:
    chosen = confusions.confusions(setting.finished)
    found: list[Block] = [Text(confusions.sentence(chosen))]
    drawn = figures.confusions(evidence, setting, chosen)
    found += [Gallery(tuple(drawn))] if drawn else []
    if len(chosen) > 1:
        found.append(
            note(
                (
                    "The trials’ tasks hold different classes, so counts are summed over trials "
                    "with the same tasks: ",
                    confusions.drawn_of(chosen, len(drawn)),
                    " drawn.",
                )
            )
        )
    counts = tuple(confusions.confusion_table(one, setting) for one in chosen)
    return [*found, Fold("Counts", counts)] if counts else found


def _headline(evidence: Evidence, shown: Sequence[Setting], told: Answers) -> str:
    """The main table as plain text, and what it answers."""
    lines = [plain(block.words) for block in made.incomplete(evidence)]
    for setting in shown:
        label = f" ({setting.label})" if setting.label else ""
        main: Table = performance.main_table(evidence, setting)
        lines += [f"{plain(main.caption)}{label}", to_text(main)]
        lines += [plain(words) for words in told[setting.number]]
    return "\n".join(textline for line in lines for textline in _wrap(line))


def _wrap(text: str) -> list[str]:
    """Lines of at most 100 columns; a table's lines are shorter already and stay as they are."""
    return [part for line in text.split("\n") for part in textwrap.wrap(line, 100) or [""]]
