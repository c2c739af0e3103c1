"""What the engine costs beside the work: per trial, when stages are shared, on many GPUs.

    python tests/benchmarks/bench_engine.py overhead known shared certificate cluster

Each part prints what was measured beside its target. `shared` and `certificate` train for real on
synthetic pictures; `cluster` declares 64 GPUs on 8 local nodes, whose trials sleep.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from moleflow import profiles
from moleflow.config import Config
from moleflow.data.catalog import open_catalog
from moleflow.data.synthetic import make_synthetic
from orchestration.cluster.environment import quiet_environment
from orchestration.driver.session import Session
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.events import Attempt, End, EventLog, Note, read_events
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger
from orchestration.records.plans import plan_of, write_plan
from orchestration.runners import runner
from orchestration.runners.runner import describe_failure
from orchestration.sharing.schedule import Schedule
from orchestration.studies.axes import Axis, Grid, Orders, TaskZero
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Resources, Terms
from orchestration.tracking import tracker as tracking

WORKERS = 2
NODES, GPUS_PER_NODE = 8, 8


@dataclass(frozen=True)
class Row:
    """One measured figure."""

    what: str
    measured: str
    target: str


def overhead(trials: tuple[int, int] = (50, 300)) -> list[Row]:
    """A study of trials whose stages take no time, with tracking and view, over their number."""
    rows, per_trial = [], {}
    for count in trials:
        with tempfile.TemporaryDirectory() as folder:
            root, plan = Root.at(folder), planned(count, Path(folder))
            start = time.perf_counter()
            drive(plan, root, empty, Terms())
            per_trial[count] = (time.perf_counter() - start) / count
            rows.append(Row(f"seconds per trial, {count} trials", f"{per_trial[count]:.2f}", "< 3"))
    few, many = per_trial[trials[0]], per_trial[trials[1]]
    rows.append(Row(f"{trials[1]} trials against {trials[0]}", f"{many / few:.2f}", "0.8 to 1.2"))
    rows.append(Row("driver's memory at its largest, MB", f"{peak_memory():.0f}", "< 600"))
    return rows


def known(count: int = 300) -> list[Row]:
    """Trials whose record is there: no worker starts."""
    with tempfile.TemporaryDirectory() as folder:
        root, plan = Root.at(folder), planned(count, Path(folder))
        for trial in plan.trials:
            finished(trial, root, Terms())
        drive(plan, root, forbidden, Terms())
        start = time.perf_counter()
        drive(plan, root, forbidden, Terms())
        taken = (time.perf_counter() - start) / count * 1000
    return [Row("milliseconds per trial that is known already", f"{taken:.1f}", "< 20")]


def shared(epochs: int = 800, size: int = 256) -> list[Row]:
    """Six scoring variants of two seeds: two trainings, twelve trials. What is besides the stages,
    some five seconds per trial and worker, is the same however long they take: here minutes, in
    real studies hours."""
    variants = Grid(field="scoring.top_k", values=(1, 2, 3, 5, 8, 13))
    with tempfile.TemporaryDirectory() as folder:
        axes = (Orders(count=1), variants)
        wall, root = trained(Path(folder), axes, epochs, seeds=(0, 1), size=size)
        records = list(Ledger(root.study("bench")).records())
        work = sum(
            seconds
            for record in records
            for name, seconds in record.seconds.items()
            if name not in record.stages or record.stages[name].source == "made"
        )
    ratio = wall / (work / WORKERS)
    what = f"wall time {wall:.0f} s against {work:.0f} s of distinct stages on {WORKERS} workers"
    return [Row(what, f"{ratio:.2f}", "<= 1.15")]


def certificate(epochs: int = 600, count: int = 10) -> list[Row]:
    """Orders with one task 0, of which two are trained, against the time until both had ended."""
    with tempfile.TemporaryDirectory() as folder:
        axes = (TaskZero(classes=("capsule",)), Orders(count=count))
        wall, root = trained(Path(folder), axes, epochs, classes=5)
        records, began = list(Ledger(root.study("bench")).records()), time.time() - wall
        two = [record for record in records if record.role != "derived"]
    pair = max(record.ended for record in two) - began
    what = f"{count} orders ({wall:.0f} s) against {len(two)} that were trained ({pair:.0f} s)"
    return [Row(what, f"{wall / pair:.2f}", "<= 1.2")]


def cluster(trials: int = 500, sleep: float = 150.0) -> list[Row]:
    """How busy 64 GPUs are until fewer trials than GPUs are left; what a trial costs over time.

    Trials sleep for half to one and a half times `sleep` seconds, as real ones differ. Alike, they
    would all wake at once, and 64 workers start at once on the few cores of one machine."""
    import ray
    from ray.cluster_utils import Cluster

    slots = NODES * GPUS_PER_NODE
    nodes = Cluster()
    for _ in range(NODES):
        nodes.add_node(num_cpus=GPUS_PER_NODE, num_gpus=GPUS_PER_NODE, object_store_memory=10**8)
    ray.init(address=nodes.address, log_to_driver=False)
    try:
        with tempfile.TemporaryDirectory() as folder:
            root, plan = Root.at(folder), planned(trials, Path(folder), question=str(sleep))
            terms = Terms(resources=Resources(gpus_per_trial=1.0, address=nodes.address))
            drive(plan, root, asleep, terms)
            spans = sorted(span(root, trial) for trial in plan.trials)
    finally:
        ray.shutdown()
        nodes.shutdown()
    first, full, tail = spans[0][0], spans[slots - 1][0], spans[-slots][0]
    middle = (full + tail) / 2
    return [
        Row(f"busy, from the {slots}th start to the tail", percent(spans, full, tail), ">= 90 %"),
        Row("busy, from the first start to the tail", percent(spans, first, tail), ""),
        Row("idle seconds per trial, first half", f"{idle(spans, full, middle):.1f}", ""),
        Row("the same, second half", f"{idle(spans, middle, tail):.1f}", "as the first"),
    ]


def busy(spans: list[tuple[float, float]], start: float, end: float) -> float:
    """Seconds of a window that trials slept, over all slots."""
    return sum(max(0.0, min(b, end) - max(a, start)) for a, b in spans)


def percent(spans: list[tuple[float, float]], start: float, end: float) -> str:
    """Share of all slots' time in a window that trials slept."""
    return f"{100 * busy(spans, start, end) / (end - start) / (NODES * GPUS_PER_NODE):.1f} %"


def idle(spans: list[tuple[float, float]], start: float, end: float) -> float:
    """Seconds that slots did nothing in a window, per trial that began in it."""
    began = sum(start <= a < end for a, _ in spans)
    return ((end - start) * NODES * GPUS_PER_NODE - busy(spans, start, end)) / began


def nap(trial: Trial, mean: float) -> float:
    """Seconds that a trial sleeps: half to one and a half times the mean."""
    return mean * (0.5 + random.Random(trial.seed).random())


def empty(trial: Trial, root: Root, terms: Terms) -> str:
    """A trial that does nothing but import what every trial imports."""
    from orchestration.trial import sequence  # noqa: F401

    return finished(trial, root, terms)


def finished(trial: Trial, root: Root, terms: Terms) -> str:
    """What a trial that has ended leaves."""
    folder = root.study(trial.study)
    log = EventLog(folder.events(trial.key))
    log.add(Attempt())
    record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
    done = {"status": "finished", "failure": None, "role": terms.role}
    Ledger(folder).write(record.model_copy(update=done))
    log.add(End(status="finished"))
    return "finished"


def asleep(trial: Trial, root: Root, terms: Terms) -> str:
    """A trial that sleeps on its GPU."""
    folder = root.study(trial.study)
    log = EventLog(folder.events(trial.key))
    log.add(Attempt())
    plan = plan_of(folder)
    time.sleep(nap(trial, float(plan.study.question)))
    log.add(Note(note="awake"))
    record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
    Ledger(folder).write(record.model_copy(update={"status": "finished", "failure": None}))
    return "finished"


def forbidden(trial: Trial, root: Root, terms: Terms) -> str:
    raise AssertionError("a trial that is known was run")


def span(root: Root, trial: Trial) -> tuple[float, float]:
    """When a trial fell asleep and woke."""
    events = list(read_events(root.study(trial.study).events(trial.key)))
    return events[0].time, next(e.time for e in events if e.kind == "note")


def planned(count: int, folder: Path, question: str = "What does a trial cost?") -> Plan:
    """Trials that share nothing: one class, many seeds."""
    study = Study(question=question, base=Config(), seeds=tuple(range(count)))
    plan = expand("bench", study, "/data", {"a": "a"}, {study.base.backbone: "w"})
    write_plan(plan, Root.at(folder).study("bench"))
    return plan


def trained(
    folder: Path,
    axes: tuple[Axis, ...],
    epochs: int,
    seeds: tuple[int, ...] = (0,),
    classes: int = 4,
    size: int = 128,
) -> tuple[float, Root]:
    """Wall time of a study that trains for real; features are there before."""
    root, data = Root.at(folder / "root"), make_synthetic(folder / "pictures")
    names = sorted(path.name for path in data.iterdir() if path.is_dir())
    for i in range(classes - len(names)):
        (data / f"{names[0]}{i}").symlink_to(data / names[0])
        names.append(f"{names[0]}{i}")
    config = profiles.quick().updated(
        {"image.size": size, "backbone.weights": "random", "training.epochs": epochs}
    )
    study = Study(question="?", base=config, axes=axes, seeds=seeds, classes=tuple(sorted(names)))
    catalog = open_catalog(data, tuple(names))
    prints = {name: checked_fingerprint(found, root) for name, found in catalog.items()}
    plan = expand("bench", study, str(data), prints, {config.backbone: "random:0"})
    write_plan(plan, root.study("bench"))
    start = time.perf_counter()
    drive(plan, root, runner.run_trial, Terms())
    return time.perf_counter() - start, root


def drive(plan: Plan, root: Root, function: runner.TrialFunction, terms: Terms) -> None:
    """What `moleflow run` does with a plan."""
    from orchestration.runners.ray_tune import RayTuneRunner

    class Bench(RayTuneRunner):
        def run(self, plan: Plan, schedule: Schedule, _: runner.TrialFunction = function) -> None:
            super().run(plan, schedule, function)

    silent = Console(file=open("/dev/null", "w"))  # noqa: SIM115, PTH123 - for this process's life
    session = Session(root, None, silent, Console(stderr=True), "bench")
    schedule = Schedule(plan, root.study(plan.name))
    with session.exporter(plan, session.tracker()) as exporter:
        if not session.run(plan, plan, Bench(root, terms), schedule, exporter):
            raise AssertionError("a trial did not finish")


def peak_memory() -> float:
    """Of this process, in MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


PARTS: dict[str, Callable[[], list[Row]]] = {
    "overhead": overhead,
    "known": known,
    "shared": shared,
    "certificate": certificate,
    "cluster": cluster,
}


def main() -> None:
    import logging
    import os

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    os.environ.update(quiet_environment(Resources()) | tracking.quiet_environment())
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; none: all")
    parser.add_argument("--trials", nargs=2, type=int, default=(50, 300), help="of `overhead`")
    asked = parser.parse_args()
    parts = PARTS | {"overhead": lambda: overhead(tuple(asked.trials))}
    for part in asked.parts or PARTS:
        for row in parts[part]():
            print(f"{row.what:<70} {row.measured:>10}   {row.target}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
