"""How far is the method from the bounds: fine-tuned, separate models, all classes at once?"""

from reports import contrasts, doubt_columns, made, picture_doubt, side_by_side, tradeoffs, verdicts
from reports.document import Document, Listed, Section, note
from reports.evidence import Evidence
from reports.variants import comparisons

SUBJECT = "Strategies and bounds"


def document(evidence: Evidence) -> Document:
    """The report of a study of ways to learn one class after another, and all at once."""
    kept = picture_doubt.kept(evidence)
    compared = comparisons(evidence)
    told = verdicts.sentences(evidence, compared)
    told += side_by_side.sentences(evidence)
    told += side_by_side.on_other_pictures(evidence, kept)
    tables = [side_by_side.settings_table(evidence, metric, kept) for metric in evidence.concluded]
    how = doubt_columns.explained(evidence, kept)
    sections = [Section("Side by side", (*tables, *how))]
    against = contrasts.against_baselines(evidence, kept, compared)
    if against:
        apart = note("What learns all classes at once has no order, and so no pair to stand in.")
        sections.append(Section("Against the baseline", (*against, apart)))
    found = tradeoffs.traded(evidence, evidence.settings)
    sections.append(Section("What it costs", (tradeoffs.pareto_table(found),)))
    return made.report(evidence, SUBJECT, [Listed(tuple(told))], sections, told)
