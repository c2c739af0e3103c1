"""Does the router find a picture's task, and what do its mistakes cost?"""

from reports import confusions, figures, made, performance, routed_pictures, routing, routing_answer
from reports.document import Block, Document, Fold, Gallery, Listed, Section, Text
from reports.evidence import Evidence, Setting

SUBJECT = "Routing"


def document(evidence: Evidence) -> Document:
    """The report of what the router chose."""
    shown = [setting for setting in evidence.settings if setting.finished]
    told = routing_answer.sentences(evidence, shown)
    sections: list[Section] = []
    for setting in shown:
        said = made.in_short(setting, routing_answer.of_setting(evidence, setting))
        own = [*said, *_sections(evidence, setting)]
        sections += made.of_setting(setting, own)
    return made.report(evidence, SUBJECT, [Listed(tuple(told))], sections, told)


def _sections(evidence: Evidence, setting: Setting) -> list[Section]:
    if performance.one_task_sentence(setting):
        return []
    chosen = confusions.confusions(setting.finished)
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
