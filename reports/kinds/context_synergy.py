"""Do two kinds of context add up, or do they help each other?"""

from reports.document import Document
from reports.evidence import Evidence
from reports.kinds.interactions import crossed_report

SUBJECT = "Synergy of two contexts"


def document(evidence: Evidence) -> Document:
    """The report of one design of two factors: both together against the sum of each alone."""
    return crossed_report(evidence, SUBJECT)
