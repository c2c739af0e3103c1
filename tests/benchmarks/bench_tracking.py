"""What tracking costs a study: 8 trials that write, with and without the exporter, in one run.

python tests/benchmarks/bench_tracking.py [--seconds N] [--epochs-per-second N] [--changed]

On main's settings a GPU learns a task in seconds and a core in minutes: 60 epochs in 3 s, i.e. 20
epochs a second of all 8 trials, is what a fast study writes; each has loss, gradient norm and
learning rate. Every 60 epochs a task ends with the metrics of 15 classes, and each trial leaves a
sheet of maps (`--changed`: which were others before later tasks, as where the base goes on
learning). Writers are processes that append as trials do; the cost is CPU time of the driver, as a
share of the wall time, and what the writers are held up. Importing MLflow and making the SQLite
file come once and are told apart.
"""

import argparse
import csv
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from timing import print_table

sys.path.insert(0, str(Path(__file__).parents[2]))

from orchestration.records.events import Attempt, Epoch, EventLog, Metrics
from orchestration.records.layout import Root
from orchestration.records.map_images import write_images
from orchestration.records.map_sheets import CHANGED, EARLIER, PLACES, SHEET, SHOWN, TILES
from orchestration.records.stages import StageRef
from orchestration.studies.expansion import Plan, Trial
from orchestration.tracking.exporter import Exporter
from orchestration.tracking.tracker import Tracker, quiet_environment
from orchestration.trial.map_sheet import TILE
from tests.orchestration.tracking.memory_tracker import MemoryTracker
from tests.orchestration.tracking.stores import contents, end_trial, served, small_plan

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


def write(root: Root, trial: Trial, seconds: float, rate: float) -> None:
    """What a trial appends in that time, at `rate` epochs a second."""
    log = EventLog(root.study(trial.study).events(trial.key))
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
    shutil.copytree(root.path / "sheet", root.study(trial.study).artifacts(trial.key))
    end_trial(root, trial)


def study(root: Root, plan: Plan, seconds: float, rate: float) -> None:
    """All trials at once, each in a process."""
    context = multiprocessing.get_context("fork")
    jobs = [(root, trial, seconds, rate / TRIALS) for trial in plan.trials]
    writers = [context.Process(target=write, args=job) for job in jobs]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()


@dataclass(frozen=True)
class Cost:
    """Seconds: of the writers' work, of the last sending after it, and CPU of the driver."""

    wall: float
    last: float
    used: float

    @property
    def share(self) -> float:
        return self.used / (self.wall + self.last)

    def longer(self, plain: float) -> float:
        """Share of the study's time that its writers are held up, or that it goes on after them."""
        return (max(0.0, self.wall - plain) + self.last) / (self.wall + self.last)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--epochs-per-second", type=float, default=20.0)
    parser.add_argument("--changed", action="store_true")
    asked = parser.parse_args()
    os.environ.update(quiet_environment())
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server:
        place, start = Path(folder), time.process_time()
        from orchestration.tracking.mlflow.runs import MlflowTracker

        imported = time.process_time() - start
        bare = side(place / "bare", asked, lambda root: MemoryTracker())
        file = side(place / "file", asked, MlflowTracker)
        http = side(place / "http", asked, lambda root: MlflowTracker(root, server.uri))
        plain = alone(place / "alone", asked)
        found = len(contents(server.uri)) - 1
        if found != TRIALS:
            raise SystemExit(f"the server holds {found} trials of {TRIALS}")
    rows = [("writers alone: wall", plain, "", "")]
    for name, cost in (("files tailed only", bare), ("SQLite", file), ("server", http)):
        rows.append(
            (f"{name}: wall of the writers", cost.wall, f"{cost.wall / plain:.3f}", "<= 1.03")
        )
        rows.append((f"{name}: CPU of the driver", cost.used, f"{cost.share:.3f}", "<= 0.03"))
        rows.append((f"{name}: last sending, all end at once", cost.last, "", ""))
        longer = cost.wall + cost.last - plain
        rows.append((f"{name}: longer by", longer, f"{cost.longer(plain):.3f}", "<= 0.03"))
    rows.append(("once: importing MLflow, CPU", imported, "", ""))
    print_table(rows)


def alone(place: Path, asked: argparse.Namespace) -> float:
    root = Root.at(place)
    draw_sheet(root.path / "sheet", asked.changed)
    plan = small_plan(root, classes=CLASSES, seeds=tuple(range(TRIALS // 2)))
    start = time.perf_counter()
    study(root, plan, asked.seconds, asked.epochs_per_second)
    return time.perf_counter() - start


def side(place: Path, asked: argparse.Namespace, make: Callable[[Root], Tracker]) -> Cost:
    """With the exporter; the store is open before, as it is in all but the first study."""
    root = Root.at(place)
    draw_sheet(root.path / "sheet", asked.changed)
    plan = small_plan(root, classes=CLASSES, seeds=tuple(range(TRIALS // 2)))
    tracker = make(root)
    tracker.begin(plan, time.time())
    start, used = time.perf_counter(), time.process_time()
    with Exporter(plan, root.study(plan.name), tracker, print):
        study(root, plan, asked.seconds, asked.epochs_per_second)
        over = time.perf_counter()
    end = time.perf_counter()
    return Cost(over - start, end - over, time.process_time() - used)


if __name__ == "__main__":
    main()
