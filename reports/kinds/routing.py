"""Does the router find a picture's task, and what do its mistakes cost?"""

from collections.abc import Sequence

from reports import confusions, figures, made, performance, routed_pictures, routing
from reports.confusions import Confusion
from reports.document import Block, Document, Fold, Gallery, Section, Text, Words, plain
from reports.evidence import Evidence, Setting

SUBJECT = "Routing"


def document(evidence: Evidence) -> Document:
    """The report of what the router chose."""
    shown = [setting for setting in evidence.settings if setting.finished]
    answer: list[Block] = []
    headline: list[Words] = []
    sections: list[Section] = []
    for setting in shown:
        chosen = confusions.confusions(setting.finished)
        told = _answer(evidence, setting, chosen)
        headline += [(f"{setting.label}: ", plain(one)) for one in told] if setting.label else told
        answer.append(made.answered(setting, told))
        sections += made.of_setting(setting, _sections(evidence, setting, chosen))
    return made.report(evidence, SUBJECT, answer, sections, headline)


def _answer(evidence: Evidence, setting: Setting, chosen: Sequence[Confusion]) -> list[Words]:
    told = confusions.sentence(chosen)
    if performance.one_task_sentence(setting):
        return [told]
    return [told, *(routing.sentence(evidence, setting, m) for m in evidence.concluded)]


def _sections(evidence: Evidence, setting: Setting, chosen: Sequence[Confusion]) -> list[Section]:
    if performance.one_task_sentence(setting):
        return []
    drawn = routing.accuracy_figure(evidence, setting)
    accuracy: list[Block] = [routing.accuracy_table(evidence, setting), *([drawn] if drawn else [])]
    maps = figures.confusions(evidence, setting, chosen)
    counts = tuple(confusions.confusion_table(one, setting) for one in chosen)
    confused: list[Block] = [Gallery(tuple(maps))] if maps else []
    confused += [Fold("Counts", counts)] if counts else [Text(confusions.sentence(chosen))]
    lost = routing.cost_table(evidence, setting, evidence.concluded)
    return [
        Section("Accuracy by class and step", tuple(accuracy)),
        Section("Which tasks are confused", tuple(confused)),
        Section("What misrouting costs", (lost,)),
        Section("Picture by picture", tuple(_pictures(evidence, setting))),
    ]


def _pictures(evidence: Evidence, setting: Setting) -> list[Block]:
    found = routed_pictures.seen(evidence, setting)
    if not found.records:
        return [Text("No finished trial kept its scores where this report was made.", "note")]
    blocks: list[Block] = [Text(routed_pictures.told(found))]
    blocks += [routed_pictures.margins_table(setting, found)]
    blocks += [routed_pictures.margins_figure(setting, found)]
    wrong = routed_pictures.misrouted_table(setting, found)
    nothing = Text("No test picture of these trials went to another task.")
    return [*blocks, wrong if wrong.rows else nothing]
