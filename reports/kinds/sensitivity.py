"""How do results depend on settings: curves over numbers, and which axis of a grid matters?"""

from collections.abc import Sequence

from reports import contrasts, doubt_columns, made, picture_doubt, side_by_side, verdicts
from reports.document import Block, Document, Gallery, Listed, Section, Text, note
from reports.evidence import Evidence
from reports.picture_doubt import Kept
from reports.variants import Comparisons, comparisons

SUBJECT = "Sensitivity to settings"


def document(evidence: Evidence) -> Document:
    """The report of a study that varies settings along axes."""
    kept = picture_doubt.kept(evidence)
    compared = comparisons(evidence)
    told = verdicts.sentences(evidence, compared)
    told += side_by_side.sentences(evidence)
    told += side_by_side.on_other_pictures(evidence, kept)
    axes = side_by_side.numeric_axes(evidence)
    pictures = side_by_side.over_pictures(evidence, kept)
    figures = [side_by_side.curve(evidence, axis, pictures) for axis in axes]
    shown = tuple(figure for figure in figures if figure is not None)
    blocks: list[Block] = [Gallery(shown)] if shown else []
    if not axes:
        blocks.append(Text("No axis of this study has numbers for values, so no curve is drawn."))
    blocks += [side_by_side.settings_table(evidence, m, kept) for m in evidence.concluded]
    blocks += doubt_columns.explained(evidence, kept)
    sections = [Section("Along the axes", tuple(blocks)), *_importance(evidence)]
    return made.report(
        evidence,
        SUBJECT,
        [Listed(tuple(told))],
        [*sections, *_contrasts(evidence, kept, compared)],
        told,
    )


def _importance(evidence: Evidence) -> list[Section]:
    found = [(m, side_by_side.importance(evidence, m)) for m in evidence.concluded]
    tables = [side_by_side.importance_table(evidence, m, of) for m, of in found if of]
    if not tables:
        return []
    told = note(
        "A share of two axes together is what is left when each by itself is taken away: an "
        "interaction. Shares are of this grid and of its values; a wider one has others."
    )
    return [Section("Which axis matters", (*tables, told))]


def _contrasts(evidence: Evidence, kept: Kept, compared: Sequence[Comparisons]) -> list[Section]:
    tables = contrasts.against_baselines(evidence, kept, compared)
    return [Section("Against the base config", tuple(tables))] if tables else []
