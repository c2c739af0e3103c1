"""How far is the method from the bounds: fine-tuned, separate models, all classes at once?"""

from reports import contrasts, made, side_by_side, tradeoffs
from reports.document import Document, Listed, Section, note
from reports.evidence import Evidence
from reports.variants import baseline_of, compare

SUBJECT = "Strategies and bounds"


def document(evidence: Evidence) -> Document:
    """The report of a study of ways to learn one class after another, and all at once."""
    told = [side_by_side.sentence(evidence, metric) for metric in evidence.concluded]
    tables = [side_by_side.settings_table(evidence, metric) for metric in evidence.concluded]
    sections = [Section("Side by side", tuple(tables))]
    baseline = baseline_of(evidence)
    if baseline is not None:
        others = [setting for setting in evidence.settings if setting is not baseline]
        compared = [
            contrasts.contrast_table(evidence, baseline, m, compare(evidence, baseline, others, m))
            for m in evidence.concluded
        ]
        apart = note("What learns all classes at once has no order, and so no pair to stand in.")
        sections.append(Section("Against the frozen base", (*compared, apart)))
    found = tradeoffs.traded(evidence, evidence.settings)
    sections.append(Section("What it costs", (tradeoffs.pareto_table(found),)))
    shown = baseline.finished if baseline else ()
    return made.report(evidence, SUBJECT, [Listed(tuple(told))], sections, told, shown)
