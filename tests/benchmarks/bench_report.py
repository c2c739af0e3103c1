"""What the report of many trials of 15 classes takes: processor time, memory, size of its page.

    python tests/benchmarks/bench_report.py [--trials 495] [--folder DIR] [--profile]

Every trial keeps what the router can choose, so all orders are derived, and the scores of its test
pictures, as many as MVTec AD has of a class. `--folder` keeps the study, and takes the one that is
there.
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
from jaxtyping import Float

from moleflow.streams import numpy_stream
from orchestration.records import results
from orchestration.records.all_orders import AllOrders, ClassInOrders, write_kept
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Ledger
from orchestration.studies.expansion import Trial
from reports.kept_scores import CONTRIBUTION, DISTANCE, FILE, PIXELS
from reports.statistics import auroc_value, weighted_ap
from reports.statistics.over_images import f1_max
from reports.writing import write_reports
from tests.reports.conftest import METRICS, Lab

CLASSES = tuple(f"class{number:02}" for number in range(15))
RIVALS = 3
"""Tasks that pictures of a class go to, of each class."""
SEEDS = 3
ANOMALOUS = np.arange(115) >= 31
"""Test pictures of a class: 31 good ones and 84 others."""
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
    lab.pictures = len(ANOMALOUS)  # as the scores have
    orders = trials // (len(CLASSES) * SEEDS)
    folder, plan = lab.plan(len(CLASSES), orders, range(SEEDS))
    for trial in plan.trials:
        Ledger(folder).write(lab.record(trial))
        folder.artifacts(trial.key).mkdir(parents=True)
        write_kept(folder.artifacts(trial.key), kept(trial))
        text = scores_file(trial.sequence[0][0], trial.seed)
        (folder.artifacts(trial.key) / FILE).write_text(text, encoding="utf-8")
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
    """A number for every set of rivals: each known one takes some away, from what pictures have
    when all are known."""
    names = rivals(task0, class_name)
    taken = numpy_stream("taken", task0, seed, class_name, metric).uniform(0, 0.004, len(names))
    unknown = 1 - (np.arange(1 << len(names))[:, None] >> np.arange(len(names)) & 1)
    return tuple((at_end(task0, seed, class_name, metric) + unknown @ taken).tolist())


def at_end(task0: str, seed: int, class_name: str, metric: str) -> float:
    scores = pictures(task0, seed, class_name)
    if metric == "image_auroc":
        return auroc_value(ANOMALOUS, scores)
    if metric == "image_ap":
        return float(weighted_ap(ANOMALOUS, scores)(np.ones((1, len(scores))))[0])
    if metric == "image_f1_max":
        return float(f1_max(ANOMALOUS, scores, np.ones((len(scores), 1)))[0])
    return float(contributions(task0, seed, class_name, metric).mean())


@lru_cache(None)
def pictures(task0: str, seed: int, class_name: str) -> Float[np.ndarray, " n"]:
    """Scores: what pictures look like is the same for all, and each base sees them its own way."""
    size = len(ANOMALOUS)
    distance = numpy_stream("class", class_name).uniform(2, 3)
    common = numpy_stream("pictures", class_name).normal(size=size)
    own = numpy_stream("base", task0, seed, class_name).normal(scale=0.2, size=size)
    return common + own + distance * ANOMALOUS


@lru_cache(None)
def contributions(task0: str, seed: int, class_name: str, metric: str) -> Float[np.ndarray, " n"]:
    size = len(ANOMALOUS)
    mean = numpy_stream("class", class_name, metric).uniform(0.8, 0.95)
    common = numpy_stream("pixels", class_name, metric).normal(scale=0.1, size=size)
    own = numpy_stream("base", task0, seed, class_name, metric).normal(scale=0.02, size=size)
    return mean + common + own


@lru_cache(None)
def scores_file(task0: str, seed: int) -> str:
    """What each of a base's trials keeps of its test pictures."""
    head = ["class", "picture", "defect", "score_oracle", "score_routed", "routed_to"]
    head += [f"{DISTANCE}{name}" for name in CLASSES]
    lines = [",".join([*head, *(f"{CONTRIBUTION}{metric}" for metric in PIXELS)])]
    for name in CLASSES:
        far = ["1.0" if other == name else "4.0" for other in CLASSES]
        parts = [contributions(task0, seed, name, metric) for metric in PIXELS]
        for i, score in enumerate(pictures(task0, seed, name)):
            kind = "bent" if ANOMALOUS[i] else ""
            row = [name, f"{kind or 'good'}/{i:03}.png", kind, repr(float(score))]
            row += [repr(float(score)), name, *far, *(repr(float(part[i])) for part in parts)]
            lines.append(",".join(row))
    return "\n".join(lines) + "\n"


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
