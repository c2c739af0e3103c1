"""Does it matter in how many steps, and in which groups, the classes come?"""

from reports import doubt_columns, made, performance, picture_doubt, side_by_side
from reports.document import Document, Listed, Section, note
from reports.evidence import Evidence

SUBJECT = "Scenarios"


def document(evidence: Evidence) -> Document:
    """The report of a study whose tasks are cut in several ways."""
    kept = picture_doubt.kept(evidence)
    told = side_by_side.sentences(evidence)
    told += side_by_side.on_other_pictures(evidence, kept)
    tables = [side_by_side.settings_table(evidence, metric, kept) for metric in evidence.concluded]
    read = note(
        "Scenarios differ in the number of tasks, and so in what a task is: numbers right after "
        "learning are of other tasks in each. Forgetting is not defined where all classes are "
        "learned at once."
    )
    transfer = [performance.transfer_table(evidence, s) for s in evidence.settings if s.finished]
    return made.report(
        evidence,
        SUBJECT,
        [Listed(tuple(told))],
        [
            Section("Side by side", (*tables, read, *doubt_columns.explained(evidence, kept))),
            Section("Forgetting and transfer, by definition", tuple(transfer)),
        ],
        told,
    )
