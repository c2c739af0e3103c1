"""What trials leave on disk, as the views read it."""

import time

from moleflow.config import Config
from orchestration.records.events import EventLog
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger, Record, Row, StageSource
from orchestration.runners.base import describe_failure
from orchestration.studies.axes import Orders, TaskZero
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Role


def start(root: Root, trial: Trial, note: str = "") -> EventLog:
    log = EventLog(root.study("small").events(trial.key))
    log.add("attempt", note=note)
    return log


def run_task(log: EventLog, trial: Trial, task: int, value: float, source: str = "made") -> None:
    """The events of one task, as a trial writes them."""
    place = {"name": trial.sequence[task][0], "task": task, "tasks": len(trial.sequence)}
    learn(log, trial, task, source)
    log.add("stage", stage="evaluation", state="started", **place)
    log.add("metrics", step=task + 1, task=task, values={"image_auroc/mean": value})
    log.add("stage", stage="evaluation", state="finished", **place)


def learn(log: EventLog, trial: Trial, task: int, source: str = "made") -> None:
    place = {"name": trial.sequence[task][0], "task": task, "tasks": len(trial.sequence)}
    stage = "adapter" if task else "base"
    log.add("stage", stage=stage, state="started", **place)
    for epoch in (1, 2):
        values = {f"loss/{place['name']}": 1 / epoch}
        log.add("epoch", stage=stage, epoch=epoch, epochs=2, step=epoch, values=values, **place)
    saved = 9.0 if source == "shared" else 0.0
    told = {"seconds": 12.0, "source": source, "saved": saved}
    log.add("stage", stage=stage, state="finished", **told, **place)


def end(root: Root, trial: Trial, status: str = "finished") -> None:
    folder = root.study("small")
    row = Row(
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
    names = [f"{kind} {task[0]}" for kind, task in zip(kinds, trial.sequence, strict=True)]
    stages = {
        name: StageSource(
            kind=name.split()[0], key=name, source=source, seconds=100.0, trial="someone"
        )
        for name in names
    }
    own = 100.0 if source == "made" else 0.0
    changes = {"status": "finished", "failure": None, "role": role, "stages": stages}
    changes |= {"seconds": dict.fromkeys(stages, own), "started": 0.0, "ended": took}
    return record.model_copy(update=changes)
