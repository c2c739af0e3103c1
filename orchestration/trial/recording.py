"""What of a trial goes on record: its numbers, names for events, routing, and why it failed."""

import platform
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from moleflow.data.catalog import ClassData
from moleflow.data.sequences import Task, task_name
from moleflow.errors import MoleflowError
from moleflow.evaluation import SequenceEvaluation
from moleflow.measurement import Measurement
from moleflow.model import MoLEFlow
from orchestration.hiding import safe_text
from orchestration.records.history import History, all_seconds
from orchestration.records.ledger import (
    ClassSummary,
    Failure,
    Record,
    RoutingCounts,
    Span,
    Status,
    Stopped,
)
from orchestration.records.provenance import peak_memory, versions
from orchestration.records.stages import StageRef
from orchestration.store.address import safe_store
from orchestration.studies.expansion import Trial
from orchestration.studies.versions import result_versions
from orchestration.trial.context import TrialContext


@dataclass
class TrialResults:
    """What an attempt at a trial has found so far."""

    started: float = field(default_factory=time.time)
    data: dict[str, ClassSummary] = field(default_factory=dict[str, ClassSummary])
    rows: list[Measurement] = field(default_factory=list[Measurement])
    selection: list[Measurement] = field(default_factory=list[Measurement])
    stopped: Stopped | None = None
    hashes: dict[str, str] = field(default_factory=dict[str, str])
    parameters: dict[str, int] = field(default_factory=dict[str, int])
    routing: RoutingCounts | None = None
    artifacts: tuple[str, ...] = ()

    def learned(self, model: MoLEFlow, task: Task, digest: Callable[[nn.Module], str]) -> None:
        """The model has learned a task.

        Args:
            digest: the hash of a part's bytes.
        """
        name, bank = task_name(task), model.banks[task]
        self.hashes["base"] = digest(model.base)
        self.parameters["base"] = sum(p.numel() for p in model.base.parameters())
        if model.config.separate:
            self.hashes[f"base {name}"] = digest(model.base_of(task))
        self.hashes[f"bank {name}"] = digest(bank)
        counts = bank.parameter_counts()
        self.parameters |= {f"bank/{part}": count for part, count in counts.items()}
        self.parameters["bank"] = sum(counts.values())

    def chosen_by(self, new: Sequence[Measurement], *, last: bool) -> None:
        """Measured on pictures that settings may be chosen by: means, and at the end classes."""
        self.selection += [row for row in new if last or row.definition == "step_mean"]

    def scored(self, trial: Trial, evaluation: SequenceEvaluation) -> None:
        """All tasks are learned, and every class was scored under its own."""
        for task in trial.sequence:
            for name in task:
                self.hashes[f"scores {name}"] = evaluation.score_digest(name, task)
        self.routing = routing_counts(trial, evaluation)

    def record(
        self, context: TrialContext, status: Status, failure: Failure | None, earlier: History
    ) -> Record:
        """The record of the trial, whatever has come of it.

        Args:
            earlier: what attempts before this one did.
        """
        log, keys = context.log, context.keys
        spans = (*earlier.spans, Span(started=self.started, ended=time.time()))
        return Record(
            **dict(context.trial),
            status=status,
            failure=failure,
            data=self.data,
            result_versions=result_versions(context.trial.config),
            versions=versions(),
            git=context.terms.revision,
            store=safe_store(context.terms.store),
            device=keys.device,
            threads=keys.threads,
            host=platform.node(),
            started=spans[0].started,
            ended=spans[-1].ended,
            attempts=len(spans),
            spans=spans,
            role=context.role,
            stages=log.sources,
            uses=context.stage_store.used,
            seconds=all_seconds(earlier, log.seconds, log.sources),
            losses=log.losses,
            rows=tuple(self.rows),
            selection=tuple(self.selection),
            stopped=self.stopped,
            hashes=self.hashes,
            routing=self.routing,
            parameters=self.parameters,
            peak_memory=peak_memory(),
            artifacts=self.artifacts,
        )


def class_summary(data: ClassData) -> ClassSummary:
    """What was there of one class."""
    return ClassSummary(
        train=len(data.train),
        test_good=data.test_good,
        test_anomalous=data.test_anomalous,
        masks=data.masks,
    )


def told_values(measurements: Sequence[Measurement], of: str = "") -> dict[str, float]:
    """Measurements by their names in events: `image_auroc/mean`, `image_auroc/bottle`,
    `oracle_image_auroc/…` under the true task, and `summary_…/<definition>` at the end.

    Args:
        of: what the names begin with, where they are not of test pictures.
    """
    values: dict[str, float] = {}
    for row in measurements:
        prefix = of + ("oracle_" if row.routing == "oracle" else "")
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
