"""What the report of many trials of 15 classes takes: processor time, memory, size of its page.

    python tests/benchmarks/bench_report.py [--trials 495] [--folder DIR] [--profile]

Every trial keeps what the router can choose, so all orders are derived. `--folder` keeps the study,
and takes the one that is there.
"""

import argparse
import cProfile
import hashlib
import pstats
import resource
import sys
import tempfile
import time
from functools import lru_cache
from pathlib import Path

import numpy as np

from moleflow.streams import numpy_stream
from orchestration.records import results
from orchestration.records.all_orders import AllOrders, ClassInOrders, write_kept
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Ledger
from orchestration.studies.expansion import Trial
from reports.writing import write_reports
from tests.reports.conftest import METRICS, Lab

CLASSES = tuple(f"class{number:02}" for number in range(15))
RIVALS = 3
"""Tasks that pictures of a class go to, of each class."""
SEEDS = 3
NAME = "orders"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=495)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Root.at(asked.folder or Path(temporary))
        folder = root.study(NAME)
        if not folder.path.exists():
            made(Lab(root, CLASSES, law), asked.trials)
        measure(folder, asked.profile)


def made(lab: Lab, trials: int) -> StudyFolder:
    """Every class as task 0, as many orders of each as make so many trials."""
    orders = trials // (len(CLASSES) * SEEDS)
    folder, plan = lab.plan(len(CLASSES), orders, range(SEEDS))
    for trial in plan.trials:
        Ledger(folder).write(lab.record(trial))
        folder.artifacts(trial.key).mkdir(parents=True)
        write_kept(folder.artifacts(trial.key), kept(trial))
    results.write(folder)
    return folder


def kept(trial: Trial) -> AllOrders:
    return AllOrders(
        trial=trial.key,
        tasks=tuple("+".join(task) for task in trial.sequence),
        classes=tuple(
            ClassInOrders(
                name=name,
                task=name,
                rivals=rivals(trial.sequence[0][0], name),
                choice=tuple(range(1 << len(rivals(trial.sequence[0][0], name)))),
                values={
                    metric: choices(trial.sequence[0][0], trial.seed, name, metric)
                    for metric in (*METRICS, "routing_accuracy")
                },
                without={},
            )
            for name in trial.classes
        ),
    )


def law(trial: Trial, metric: str, class_name: str, step: int) -> float:
    task0 = trial.sequence[0][0]
    known = {name for task in trial.sequence[:step] for name in task}
    place = sum(1 << bit for bit, t in enumerate(rivals(task0, class_name)) if t in known)
    return choices(task0, trial.seed, class_name, metric)[place]


@lru_cache(None)
def rivals(task0: str, class_name: str) -> tuple[str, ...]:
    """The next ones in the list of classes."""
    at = CLASSES.index(class_name)
    near = (CLASSES[(at + 1 + i) % len(CLASSES)] for i in range(RIVALS))
    return tuple(name for name in near if name != task0)


@lru_cache(None)
def choices(task0: str, seed: int, class_name: str, metric: str) -> tuple[float, ...]:
    """A number for every set of rivals: each known one takes some away."""
    of_class = numpy_stream("class", class_name, metric).uniform(0.8, 0.98)
    of_base = numpy_stream("base", task0, seed, class_name, metric).normal(0, 0.005)
    names = rivals(task0, class_name)
    taken = numpy_stream("taken", task0, seed, class_name, metric).uniform(0, 0.004, len(names))
    places = np.arange(1 << len(names))[:, None] >> np.arange(len(names)) & 1
    return tuple((of_class + of_base - places @ taken).tolist())


def measure(folder: StudyFolder, profiled: bool) -> None:
    before, start = cpu(), time.monotonic()
    profile = cProfile.Profile()
    if profiled:
        profile.enable()
    write_reports(folder)
    profile.disable()
    taken = time.monotonic() - start
    tell("processor time", f"{cpu() - before:.1f} s, {taken:.1f} s by the clock")
    tell("memory at most", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    tell("its page", f"{(folder.report / 'index.html').stat().st_size / 1e6:.1f} MB")
    files = sorted(path for path in folder.report.rglob("*") if path.is_file())
    tell("all files", f"{sum(path.stat().st_size for path in files) / 1e6:.0f} MB")
    whole = hashlib.sha256()
    for path in files:
        whole.update(str(path.relative_to(folder.report)).encode() + path.read_bytes())
    tell("SHA-256 of all", whole.hexdigest()[:16])
    if profiled:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(70)


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def tell(what: str, measured: str) -> None:
    print(f"{what:<20} {measured}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
