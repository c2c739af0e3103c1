"""What a trial keeps of every test picture after its last task (`artifacts/scores.csv`)."""
# pyarrow has no annotations of its own.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow
from jaxtyping import Bool, Float

from moleflow.data.sequences import task_name
from moleflow.files import read_regular
from moleflow.metrics.catalogue import PIXELS
from orchestration.records.ledger import Record
from reports.evidence import Evidence
from reports.statistics import auroc_value

FILE = "scores.csv"
DISTANCE = "squared_distance "
SCORE = "score_routed"
CONTRIBUTION = "pseudo_value "
GOOD = "good"
PICTURE = ("class", "picture", "defect")
ONE_BLOCK = 1 << 30
"""Bytes; a file is read at once."""


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
    far: dict[str, float]
    """Squared distance to each task."""


@dataclass(frozen=True)
class ClassScores:
    """Of the n test pictures of a class in one trial, when all tasks were known, each under the
    task that it was sent to."""

    pictures: tuple[tuple[str, str], ...]
    """File, and defect or `good`."""
    values: Float[np.ndarray, " n"]
    contributions: Mapping[str, Float[np.ndarray, " n"]]
    """Pseudo-values by pixel metric: their mean is the metric of the class. None where the class
    has no masks, or the trial is of code that kept none."""

    def of(self, metric: str) -> Float[np.ndarray, " n"]:
        """What the metric's doubt is told by."""
        return self.contributions[metric] if metric in PIXELS else self.values

    @cached_property
    def recorded(self) -> dict[str, float]:
        """Metrics that they give: of images AUROC, where both kinds are there, and of pixels all
        that are contributed to."""
        both = bool(self.anomalous.any()) and not self.anomalous.all()
        of_images = {"image_auroc": auroc_value(self.anomalous, self.values)} if both else {}
        return of_images | {m: float(parts.mean()) for m, parts in self.contributions.items()}

    @cached_property
    def anomalous(self) -> Bool[np.ndarray, " n"]:
        return np.array([kind != GOOD for _, kind in self.pictures])


def kept_scores(evidence: Evidence, record: Record) -> list[Scored]:
    """Nothing where there is no such file (it is beside the ledger, and may be gone), or it is not
    what a trial of these tasks writes."""
    tasks = {name: task_name(task) for task in record.sequence for name in task}
    names = sorted(set(tasks.values()))
    distances = [f"{DISTANCE}{task}" for task in names]
    found = _columns(evidence, record, (*PICTURE, "routed_to"), distances)
    if found is None or not set(found[0]) <= set(tasks) or not set(found[3]) <= set(names):
        return []
    far = [dict(zip(names, row, strict=True)) for row in zip(*found[4:], strict=True)]
    return [
        Scored(name, picture, kind or GOOD, tasks[name], chosen, of)
        for name, picture, kind, chosen, of in zip(*found[:4], far, strict=True)
    ]


def class_scores(evidence: Evidence, record: Record) -> dict[str, ClassScores] | None:
    """None where there is no such file, or not one of the trial's classes."""
    added = [f"{CONTRIBUTION}{metric}" for metric in PIXELS]
    found = _columns(evidence, record, PICTURE, (SCORE,), added)
    if found is None or set(found[0]) != {name for task in record.sequence for name in task}:
        return None
    places: dict[str, list[int]] = {}
    for i, name in enumerate(found[0]):
        places.setdefault(name, []).append(i)
    pictures = [(picture, kind or GOOD) for picture, kind in zip(found[1], found[2], strict=True)]
    values, *each = (np.array(column, dtype=np.float64) for column in found[3:])
    if not np.isfinite(values).all():
        return None
    parts = dict(zip(PIXELS, each, strict=True))
    return {
        name: ClassScores(tuple(pictures[i] for i in of), values[of], _whole(parts, of))
        for name, of in places.items()
    }


def _whole(
    parts: Mapping[str, Float[np.ndarray, " n"]], places: Sequence[int]
) -> dict[str, Float[np.ndarray, " m"]]:
    """Those that every picture in these places has."""
    own = {metric: values[places] for metric, values in parts.items()}
    return {metric: values for metric, values in own.items() if np.isfinite(values).all()}


def _columns(
    evidence: Evidence,
    record: Record,
    texts: Sequence[str],
    numbers: Sequence[str],
    added: Sequence[str] = (),
) -> list[list[Any]] | None:
    """These columns of the file, and numbers that may be missing; None where the file is gone or
    damaged."""
    needed = (*texts, *numbers)
    wanted = {**dict.fromkeys((*needed, *added), pa.float64()), **dict.fromkeys(texts, pa.string())}
    try:
        content = read_regular(evidence.folder.artifacts(record.key) / FILE)
        table = arrow.read_csv(
            pa.BufferReader(content),
            read_options=arrow.ReadOptions(use_threads=False, block_size=ONE_BLOCK),
            parse_options=arrow.ParseOptions(newlines_in_values=True),
            convert_options=arrow.ConvertOptions(
                column_types=wanted,
                include_columns=list(wanted),
                include_missing_columns=True,
                null_values=[""],
            ),
        )
    except (OSError, ValueError, KeyError):  # damage is a ValueError of Arrow's
        return None
    if any(table.column(name).null_count for name in needed):
        return None
    return [table.column(name).to_pylist() for name in wanted]
