"""Why trials have no result, on one page: every failed trial in a line, and each traceback once."""

import re
import time

from rich.console import RenderableType
from rich.text import Text

from moleflow.wording import counted
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure
from orchestration.studies.expansion import Plan
from orchestration.views.display import failure_text, label
from orchestration.views.record_brief import RecordBrief
from orchestration.views.status import Page, study_status

DIFFERENT = re.compile(r"0x[0-9a-f]+|\b(?:pid|ip|actor_id)=[\w.]+")
"""What is another one in every process: tracebacks that differ in nothing else are the same."""


def failures_page(plan: Plan, root: Root) -> Page:
    """Trials that failed or diverged, in the order in which they did; those of one traceback
    together."""
    study = study_status(plan, root, time.time()).study
    found = [(one, one.failure) for one in reversed(study.failures()) if one.failure is not None]
    if not found:
        return Page([Text(f"{plan.name}: no trial has failed or diverged")])
    alike: dict[str, list[tuple[RecordBrief, Failure]]] = {}
    for one, failure in found:
        alike.setdefault(DIFFERENT.sub("", _whole(failure)), []).append((one, failure))
    head = f"{plan.name}: {counted(len(found), 'trial')} failed or diverged"
    parts: list[RenderableType] = [Text(head, style="bold")]
    for group in alike.values():
        parts.append(Text())
        for one, _ in group:
            text = failure_text(one, study.trials[one.key], study.states.get(one.key))
            parts.append(Text(f"{label(one)}  {text}"))
        parts += [Text(), Text(_whole(group[0][1]))]
    return Page(parts)


def _whole(failure: Failure) -> str:
    """All that is known of it: errors that name file and remedy have no traceback."""
    return (failure.traceback or failure.message).strip("\n")
