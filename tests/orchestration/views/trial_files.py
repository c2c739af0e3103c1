"""What trials leave on disk, as the views read it."""

import time

from moleflow.config import Config
from moleflow.measurement import Measurement
from orchestration.records.events import (
    Attempt,
    Epoch,
    EventLog,
    Metrics,
    StageFinished,
    StageStarted,
)
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger, Record, StageSource
from orchestration.records.stages import StageRef
from orchestration.runners.runner import describe_failure
from orchestration.studies.axes import Orders, TaskZero
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Role


def start(root: Root, trial: Trial, host: str = "", role: Role | None = None) -> EventLog:
    log = EventLog(root.study("small").events(trial.key))
    log.add(Attempt(host=host, device="cpu:avx512", role=role))
    return log


def run_task(log: EventLog, trial: Trial, task: int, value: float, source: str = "made") -> None:
    """The events of one task, as a trial writes them."""
    learn(log, trial, task, source)
    stage = StageRef("evaluation", trial.sequence[task][0])
    log.add(StageStarted(stage=stage, task=task))
    log.add(Metrics(numbers={"image_auroc/mean": value}, step=task + 1))
    log.add(StageFinished(stage=stage, task=task))


def learn(log: EventLog, trial: Trial, task: int, source: str = "made") -> None:
    stage = StageRef("adapter" if task else "base", trial.sequence[task][0])
    log.add(StageStarted(stage=stage, task=task))
    for epoch in (1, 2):
        numbers = {"loss": 1 / epoch}
        log.add(Epoch(stage=stage, task=task, epoch=epoch, epochs=2, numbers=numbers))
    saved = 9.0 if source == "shared" else 0.0
    log.add(StageFinished(stage=stage, task=task, seconds=12.0, source=source, saved=saved))


def end(root: Root, trial: Trial, status: str = "finished") -> None:
    folder = root.study("small")
    row = Measurement(
        step=3,
        task=-1,
        class_name="",
        metric="image_auroc",
        definition="final_mean",
        routing="routed",
        value=0.875,
    )
    failure = Failure(kind="DivergedError", message="loss is inf\nat epoch 3")
    record = describe_failure(trial, failure, folder, time.time())
    if status == "finished":
        record = record.model_copy(update={"failure": None, "rows": (row,)})
    Ledger(folder).write(record.model_copy(update={"status": status}))


def orders_of(count: int, seeds: int = 1) -> Plan:
    """Orders with one task 0, of four classes."""
    axes = (TaskZero(classes=("a",)), Orders(count=count))
    study = Study(question="?", base=Config(), axes=axes, seeds=tuple(range(seeds)))
    prints = {name: name for name in "abcd"}
    return expand("small", study, "/data", prints, {study.base.backbone: "weights"})


def finished(trial: Trial, root: Root, role: Role, source: str, took: float) -> Record:
    """A record of a trial whose tasks each took 100 s, whoever trained them."""
    failure = Failure(kind="", message="")
    record = describe_failure(trial, failure, root.study("small"), 0.0)
    kinds = ["base", *["adapter"] * (len(trial.sequence) - 1)]
    names = [StageRef(kind, task[0]) for kind, task in zip(kinds, trial.sequence, strict=True)]
    stages = {
        name: StageSource(
            kind=name.kind, key=str(name), source=source, seconds=100.0, trial="someone"
        )
        for name in names
    }
    own = 100.0 if source == "made" else 0.0
    changes = {"status": "finished", "failure": None, "role": role, "stages": stages}
    changes |= {"seconds": dict.fromkeys(stages, own), "started": 0.0, "ended": took}
    return record.model_copy(update=changes)
