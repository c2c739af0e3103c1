"""What tracking costs a study: 8 trials that write, with and without the exporter, in one run.

python tests/benchmarks/bench_tracking.py [--seconds N] [--at-once N] [--rounds N] [--changed]

On main's settings a GPU learns a task in seconds and a core in minutes: 60 epochs in 3 s, i.e. 20
epochs a second of all 8 trials, is what a fast study writes; each has loss, gradient norm and
learning rate. Every 60 epochs a task ends with the metrics of 15 classes, and each trial leaves a
sheet of maps (`--changed`: which were others before later tasks, as where the base goes on
learning) and a record of all its numbers. With `--at-once` fewer than all they come in waves. Then
the study's table and its report are written, and the report is kept, as `moleflow run` does it.
Writers are processes that append as trials do; the cost is CPU time of the driver beyond that of a
study without tracking, as a share of its wall time, what the writers are held up, and by how much
the study ends later. Importing MLflow and making the SQLite file come once and are told apart. Of
several rounds, in which all sides take turns, medians are told.
"""

import argparse
import csv
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image
from timing import print_table

sys.path.insert(0, str(Path(__file__).parents[2]))

from moleflow.streams import numpy_stream
from orchestration.records import results
from orchestration.records.events import Attempt, Epoch, EventLog, Metrics
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.records.map_images import write_images
from orchestration.records.map_sheets import CHANGED, EARLIER, PLACES, SHEET, SHOWN, TILES
from orchestration.records.stages import StageRef
from orchestration.studies.expansion import Plan, Trial
from orchestration.tracking.exporter import Exporter, keep_report
from orchestration.tracking.tracker import Tracker, quiet_environment
from orchestration.trial.map_sheet import TILE
from reports.writing import write_reports
from tests.orchestration.tracking.memory_tracker import MemoryTracker
from tests.orchestration.tracking.stores import contents, served
from tests.reports.conftest import Lab

TRIALS, TASK_EPOCHS, METRICS = 8, 60, 7
CLASSES = tuple(f"class{number:02}" for number in range(15))


def draw_sheet(folder: Path, changed: bool) -> None:
    """Of every class four pictures, or five with what changed most: photographs of noise, smooth
    maps, empty masks, and the maps that were there before."""
    folder.mkdir(parents=True)
    shown = (*SHOWN, CHANGED) if changed else SHOWN
    grains = dict(zip((*TILES, EARLIER)[: 4 if changed else 3], (32, 4, 1, 4), strict=False))
    draw = np.random.default_rng(0)
    sheet = Image.new("RGB", (len(shown) * TILE, len(CLASSES) * len(grains) * TILE))
    with (folder / PLACES).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["class", "why", "picture", "above_good", "size", "left", *grains])
        for i, name in enumerate(CLASSES):
            for j, why in enumerate(shown):
                tops = [(i * len(grains) + k) * TILE for k in range(len(grains))]
                for top, grain in zip(tops, grains.values(), strict=True):
                    rough = draw.integers(0, 256 if grain > 1 else 1, (grain, grain, 3), np.uint8)
                    sheet.paste(Image.fromarray(rough).resize((TILE, TILE)), (j * TILE, top))
                writer.writerow([name, why, f"{why}.png", 0.5, TILE, j * TILE, *tops])
    sheet.save(folder / SHEET)
    write_images(folder, sheet, [(name,) for name in CLASSES])


@lru_cache(None)
def number_of(metric: str, class_name: str) -> float:
    return numpy_stream("class", metric, class_name).uniform(0.8, 0.98)


def law(trial: Trial, metric: str, class_name: str, step: int) -> float:
    return number_of(metric, class_name) + 0.001 * trial.seed - 0.0001 * step


def write(lab: Lab, trial: Trial, seconds: float, rate: float) -> None:
    """What a trial appends in that time, at `rate` epochs a second."""
    folder, began = lab.root.study(trial.study), time.time()
    log = EventLog(folder.events(trial.key))
    log.add(Attempt())
    epochs, start = round(seconds * rate), time.monotonic()
    for number in range(epochs):
        task, epoch = divmod(number, TASK_EPOCHS)
        name = CLASSES[task % len(CLASSES)]
        names = ("loss", "grad_norm", "lr")
        log.add(
            Epoch(
                stage=StageRef("base", name),
                numbers=dict.fromkeys(names, 1 / (number + 1)),
                epochs=9,
                epoch=epoch,
            )
        )
        if epoch == TASK_EPOCHS - 1:
            values = {f"metric{m}/{c}": number / 7 for m in range(METRICS) for c in CLASSES}
            log.add(Metrics(numbers=values, step=task + 1))
        time.sleep(max(0.0, start + (number + 1) / rate - time.monotonic()))
    shutil.copytree(lab.root.path / "sheet", folder.artifacts(trial.key))
    told = {"started": began, "ended": time.time()}
    Ledger(folder).write(lab.record(trial).model_copy(update=told))


def trials(lab: Lab, plan: Plan, asked: argparse.Namespace) -> None:
    """All trials, so many at once, each in a process."""
    context = multiprocessing.get_context("fork")
    rate = asked.epochs_per_second / asked.at_once
    for begin in range(0, TRIALS, asked.at_once):
        jobs = [(lab, t, asked.seconds, rate) for t in plan.trials[begin : begin + asked.at_once]]
        writers = [context.Process(target=write, args=job) for job in jobs]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()


@dataclass(frozen=True)
class Cost:
    """Seconds: of the writers' work, of what comes after it, and CPU of the driver."""

    wall: float
    after: float
    used: float

    @property
    def all(self) -> float:
        return self.wall + self.after


def study(place: Path, asked: argparse.Namespace, make: Callable[[Root], Tracker] | None) -> Cost:
    """As `orchestration.driver.drive` has it; the store is open before, as it is in all but the
    first study.

    Args:
        make: what it is tracked with; None: nothing is.
    """
    root = Root.at(place)
    draw_sheet(root.path / "sheet", asked.changed)
    lab = Lab(root, CLASSES, law)
    folder, plan = lab.plan(2, 2, (0, 1), name=place.name)
    tracker = make(root) if make else None
    if tracker:
        tracker.begin(plan, time.time())
    start, used = time.perf_counter(), time.process_time()
    with Exporter(plan, folder, tracker, print) if tracker else nullcontext() as exporter:
        trials(lab, plan, asked)
        over = time.perf_counter()
        if exporter:
            exporter.no_more()
        results.write(folder)
        write_reports(folder)
    if tracker:
        keep_report(plan, folder, tracker, print)
    end = time.perf_counter()
    return Cost(over - start, end - over, time.process_time() - used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="that a trial takes")
    parser.add_argument("--epochs-per-second", type=float, default=20.0)
    parser.add_argument("--at-once", type=int, default=TRIALS, help=f"trials, of {TRIALS}")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--changed", action="store_true")
    asked = parser.parse_args()
    os.environ.update(quiet_environment())
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server:
        place, start = Path(folder), time.process_time()
        from orchestration.tracking.mlflow.runs import MlflowTracker

        imported = time.process_time() - start
        study(place / "warm", argparse.Namespace(**{**vars(asked), "seconds": 1.0}), None)
        sides: dict[str, Callable[[Root], Tracker] | None] = {
            "alone": None,
            "files tailed only": lambda root: MemoryTracker(),
            "SQLite": MlflowTracker,
            "server": lambda root: MlflowTracker(root, server.uri),
        }
        costs: dict[str, list[Cost]] = {name: [] for name in sides}
        for turn in range(asked.rounds):
            for name, make in sides.items():
                cost = study(place / f"{name[:4]}{turn}", asked, make)
                costs[name].append(cost)
                load = os.getloadavg()[0]
                print(f"{name}: {cost}, load {load:.1f}", file=sys.stderr, flush=True)
            found = list(contents(server.uri, f"serv{turn}").values())
            files = [len(run["files"]) for run in found]
            if len(found) != TRIALS + 1 or min(files) < 2 * len(CLASSES):
                raise SystemExit(f"the server holds runs with {files} files, of {TRIALS} trials")
    print_table(rows(costs, imported))


def rows(costs: Mapping[str, Sequence[Cost]], imported: float) -> list[tuple[str, float, str, str]]:
    """Medians over rounds, each side against the study without tracking in the same round."""
    alone = costs["alone"]
    found = [("alone: wall", statistics.median(one.all for one in alone), "", "")]
    for name in list(costs)[1:]:
        pairs = list(zip(costs[name], alone, strict=True))
        held = [(one.wall, one.wall / plain.wall) for one, plain in pairs]
        used = [(one.used - plain.used, (one.used - plain.used) / one.all) for one, plain in pairs]
        longer = [(one.all - plain.all, one.all / plain.all - 1) for one, plain in pairs]
        for what, values, target in (
            ("wall of the writers", held, "<= 1.03"),
            ("CPU of the driver", used, "<= 0.03"),
            ("longer by", longer, "<= 0.03"),
        ):
            seconds, shares = zip(*values, strict=True)
            share = f"{statistics.median(shares):.3f}"
            found.append((f"{name}: {what}", statistics.median(seconds), share, target))
    return [*found, ("once: importing MLflow, CPU", imported, "", "")]


if __name__ == "__main__":
    main()
