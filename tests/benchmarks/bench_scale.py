"""What a study of 10,000 trials of 15 classes asks of its driver, beside the trials' own work.

    python tests/benchmarks/bench_scale.py [--trials 10000] [--recorded 300]

Planning and handing out are done for all trials. Records are written for some; what all would cost
is that times their number, and said so. Times are a processor's, whoever else uses the machine.
bench_report.py measures what a report takes.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from orchestration.records import results
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.records.watch import Watcher
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Trial
from tests.reports.conftest import Lab

SLOTS = 64
"""Trials in work at a time."""
CLASSES = tuple(f"class{number:02}" for number in range(15))
ResultT = TypeVar("ResultT")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--recorded", type=int, default=300)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Lab(Root.at(Path(folder)), CLASSES), asked.trials, asked.recorded)


def measure(lab: Lab, count: int, recorded: int) -> None:
    """Orders of five task zeros, ten each."""
    seeds = range(count // 50)
    folder, plan = timed("planned", lambda: lab.plan(task_zeros=5, orders=10, seeds=seeds))
    tell("study.json", f"{folder.asked.stat().st_size / 1e6:.0f} MB")
    schedule = timed("keys and groups", lambda: Schedule(plan, folder))
    handed = timed("handed out", lambda: [*hand_out(schedule)])
    assert len(handed) == len(plan.trials)
    lab.run(folder, plan.trials[:recorded])
    for_all = len(plan.trials) / recorded
    ledger, keys = Ledger(folder), [trial.key for trial in plan.trials[:recorded]]
    size = folder.record(keys[0]).stat().st_size
    tell("a record", f"{size / 1e3:.0f} kB, {size * len(plan.trials) / 1e9:.1f} GB for all")
    watcher = Watcher(plan, folder, tell_nothing)
    timed("first look, for all", watcher.look, for_all)
    timed("a look when nothing is new", watcher.look)
    timed(
        "records read in brief, for all", lambda: [ledger.read_brief(key) for key in keys], for_all
    )
    before = peak()
    table = timed("results table, for all", lambda: results.write(folder), for_all)
    tell("its file, for all", f"{table.stat().st_size * for_all / 1e6:.0f} MB")
    tell("memory to write it, whatever their number", f"{peak() - before:.1f} GB")


def hand_out(schedule: Schedule) -> Iterator[Trial]:
    """What may start, while none of them leaves a record."""
    running: deque[str] = deque()
    while not schedule.exhausted:
        start = schedule.next() if len(running) < SLOTS else None
        if start is None:  # all places are taken, or what is left waits for what is in work
            schedule.ended(running.popleft())
            continue
        yield start.trial
        running.append(start.trial.key)


def timed(what: str, do: Callable[[], ResultT], times: float = 1.0) -> ResultT:
    start = time.process_time()
    found = do()
    tell(what, f"{(time.process_time() - start) * times:.2f} s")
    return found


def peak() -> float:
    """GB that it has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def tell(what: str, measured: str) -> None:
    print(f"{what:<45} {measured}", flush=True)


def tell_nothing(text: str) -> None:
    return


if __name__ == "__main__":
    sys.exit(main())
