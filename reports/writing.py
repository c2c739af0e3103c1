"""Reports of a study, from its plan and ledger alone: at any time, on any machine."""

import importlib
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from moleflow.errors import StudyError
from orchestration.records.files import write_atomically
from orchestration.records.layout import StudyFolder
from reports import kinds, provenance
from reports.document import Document, Written, write
from reports.evidence import load

CHECKLIST = "checklist"


def write_reports(folder: StudyFolder, asked: Sequence[str] = ()) -> list[Written]:
    """Write reports of these kinds, or all that the study asks for. The same ledger gives the same
    bytes.

    The first kind that the study asks for stands in `report/`, each other one in a folder of its
    name below that, so that one more report moves none. With those that the study asks for comes
    the checklist.

    Raises:
        StudyError: the study has not been planned, or there is no such kind.
        StoreError: the plan or a record is damaged, or a report cannot be written.
    """
    evidence = load(folder)
    own = evidence.plan.study.reports
    chosen = tuple(asked) or own
    unknown = [name for name in chosen if name not in kinds.known()]
    if unknown:
        named = ", ".join(name or "''" for name in unknown)
        raise StudyError(f"there is no report {named}; known are {', '.join(kinds.known())}")
    always = () if asked or CHECKLIST in own else (CHECKLIST,)
    linked = tuple(dict.fromkeys((*own, CHECKLIST)))
    places = {name: "" if name == own[0] else f"{name}/" for name in (*linked, *chosen)}
    notices = provenance.notices(evidence)
    # Before BLAS is limited: numpy has one, and scipy brings another.
    importlib.import_module("scipy.linalg")
    makers = {n: importlib.import_module(f"{kinds.__name__}.{n}") for n in (*chosen, *always)}
    written: list[Written] = []
    for name, maker in makers.items():
        # Matrices are small: BLAS would wake a thread for each CPU, and round as their number is.
        with threadpool_limits(1, user_api="blas"):
            made = maker.document(evidence)
        up = "../" if places[name] else ""
        others = [(n.replace("_", " "), f"{up}{places[n]}index.html") for n in linked if n != name]
        framed = replace(_noted(made, notices), beside=tuple(others))
        written.append(write(framed, folder.report / places[name]))
    if not asked:
        write_atomically(folder.answer, "\n\n".join(one.headline for one in written[: len(own)]))
    return written[: len(chosen)]


def _noted(made: Document, notices: Sequence[str]) -> Document:
    """With what must be known before any number, whatever kind of report it is."""
    notes = [line for one in notices for line in textwrap.wrap(f"NOTE: {one}", 100)]
    headline = "\n".join((*notes, made.headline)) if made.headline else ""
    return replace(made, warnings=(*notices, *made.warnings), headline=headline)
