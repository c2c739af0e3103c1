"""What do a sequence and the whole study cost: parameters, memory, seconds, hours?"""

from reports import costs, made
from reports.document import Block, Document, Listed, Section, Text, note
from reports.evidence import Evidence

SUBJECT = "Cost"


def document(evidence: Evidence) -> Document:
    """The report of what was paid."""
    shown = [setting for setting in evidence.settings if setting.finished]
    found = costs.sizes(shown)
    told = list(costs.sentences(evidence, shown, found))
    size: list[Block] = [Text("No finished trial recorded how many parameters it trained.")]
    if found:
        size = [costs.parameters_table(found), costs.memory_figure(found)]
    stages: list[Block] = [costs.stages_table(shown)] if shown else []
    stages.append(
        note(
            "Evaluation has the scores of a task’s test pictures under every bank that the router "
            "may give them, metrics and maps; features have reading, the backbone and writing. So "
            "neither is the time that a picture takes in use: `moleflow analyse --what cost` "
            "measures that."
        )
    )
    return made.report(
        evidence,
        SUBJECT,
        [Listed(tuple(told))],
        [
            Section("Parameters and memory", tuple(size)),
            Section("Seconds by stage", tuple(stages)),
            Section("Hours and machines", (costs.hardware_table(evidence),)),
        ],
        told,
    )
