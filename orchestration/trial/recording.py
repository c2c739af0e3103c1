"""What of a trial goes on record: its numbers, names in tracking, routing, and why it failed."""

import traceback

import torch

from moleflow.data.catalog import ClassData
from moleflow.data.sequences import task_name
from moleflow.errors import MoleflowError
from moleflow.evaluation import SequenceEvaluation
from moleflow.measurement import Measurement
from orchestration.hiding import safe_text
from orchestration.records.ledger import ClassSummary, Failure, RoutingCounts
from orchestration.records.stages import StageRef
from orchestration.studies.expansion import Trial


def class_summary(data: ClassData) -> ClassSummary:
    """What was there of one class."""
    return ClassSummary(
        train=len(data.train),
        test_good=data.test_good,
        test_anomalous=data.test_anomalous,
        masks=data.masks,
    )


def tracking_values(measurements: list[Measurement]) -> dict[str, float]:
    """Measurements by the names they have in tracking: `image_auroc/mean`, `image_auroc/bottle`,
    `oracle_image_auroc/…` under the true task, and `summary_…/<definition>` at the end."""
    values: dict[str, float] = {}
    for row in measurements:
        prefix = "oracle_" if row.routing == "oracle" else ""
        match row.definition:
            case "step":
                values[f"{prefix}{row.metric}/{row.class_name}"] = row.value
            case "step_mean":
                values[f"{prefix}{row.metric}/mean"] = row.value
            case definition:
                values[f"summary_{prefix}{row.metric}/{definition.replace('/', '_')}"] = row.value
    return values


def routing_counts(trial: Trial, evaluation: SequenceEvaluation) -> RoutingCounts:
    """Confusion of the router over all test pictures after the last task, and smallest margin."""
    counts: list[tuple[int, ...]] = []
    margins: list[float] = []
    for own, task in enumerate(trial.sequence):
        for name in task:
            routing = evaluation.routing(name)
            chosen = [int(c) for c in routing.chosen]
            counts.append(tuple(chosen.count(t) for t in range(len(trial.sequence))))
            others = [t for t in range(len(trial.sequence)) if t != own]
            if others:
                nearest = routing.distances[:, others].min(axis=1)
                margins.append(float((nearest - routing.distances[:, own]).min()))
    return RoutingCounts(
        classes=trial.classes,
        tasks=tuple(task_name(task) for task in trial.sequence),
        counts=tuple(counts),
        smallest_margin=min(margins) if margins else None,
    )


def failure_of(error: Exception, stage: StageRef | None, numbers: dict[str, object]) -> Failure:
    known = isinstance(error, MoleflowError)
    return Failure(
        kind=type(error).__name__,
        message=safe_text(str(error) or repr(error)),
        stage=stage,
        numbers=numbers,
        traceback="" if known else safe_text("".join(traceback.format_exception(error))),
    )


def out_of_memory(error: torch.OutOfMemoryError) -> MoleflowError:
    first = str(error).splitlines()[0]
    return MoleflowError(
        f"the GPU's memory is full ({first}); give each trial more of a GPU (--gpus-per-trial) "
        "or use a smaller --set training.batch_size=N"
    )
