"""What a trial keeps of every test picture after its last task (`artifacts/scores.csv`)."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

from moleflow.data.sequences import task_name
from moleflow.files import read_regular
from orchestration.records.ledger import Record
from reports.evidence import Evidence

FILE = "scores.csv"
DISTANCE = "squared_distance "
GOOD = "good"


@dataclass(frozen=True)
class Scored:
    """A test picture in one trial, when all tasks were known."""

    class_name: str
    picture: str
    kind: str
    """`good`, or its defect."""
    task: str
    """That the picture is of."""
    chosen: str
    """Task that the router chose."""
    far: Mapping[str, float]
    """Squared distance to each task."""


def kept_scores(evidence: Evidence, record: Record) -> list[Scored]:
    """Nothing where there is no such file (it is beside the ledger, and may be gone), or it is not
    what a trial of these tasks writes."""
    tasks = {name: task_name(task) for task in record.sequence for name in task}
    try:
        text = read_regular(evidence.folder.artifacts(record.key) / FILE).decode("utf-8")
        return [_scored(row, tasks) for row in csv.DictReader(io.StringIO(text, newline=""))]
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return []


def _scored(row: Mapping[str, str], tasks: Mapping[str, str]) -> Scored:
    name, kind = row["class"], row["defect"] or GOOD
    far = {task: float(row[DISTANCE + task]) for task in tasks.values()}
    return Scored(name, row["picture"], kind, tasks[name], row["routed_to"], far)
