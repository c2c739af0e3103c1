"""Studies of one plan that came out in two ways: with other numbers, times, failures, pictures."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from moleflow.config import Config
from moleflow.streams import numpy_stream
from orchestration.records.all_orders import AllOrders, ClassInOrders, write_kept
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import (
    ClassSummary,
    Ledger,
    Record,
    RoutingCounts,
    StageSource,
    Stopped,
)
from orchestration.records.stages import StageRef
from orchestration.studies.axes import Grid, Variants
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.search import Search, log_uniform, uniform
from orchestration.studies.study import Study
from reports.kept_scores import FILE, PIXELS
from reports.statistics import auroc_value, weighted_ap
from reports.statistics.over_images import f1_max
from tests.reports.conftest import METRICS, Lab

PARAMETERS = ({"base": 1000, "bank": 100, "bank/lora": 60, "bank/dia": 40},
              {"base": 1200, "bank": 130, "bank/lora": 90, "bank/dia": 40})  # fmt: skip
PICTURES = ((9, 14), (11, 16))
"""Good and anomalous test pictures of a class."""
Kept = Callable[["World", StudyFolder, Trial], None]


@dataclass(frozen=True)
class World:
    """One of two ways in which a plan may come out."""

    number: int
    pictured: bool = False
    """Whether numbers follow from scores of pictures."""

    def draw(self, *of: object) -> np.random.Generator:
        return numpy_stream("tests", "worlds", self.number, *map(str, of))

    def noise(self, *of: object) -> float:
        return float(self.draw(*of).normal())

    def law(self, trial: Trial, metric: str, name: str, step: int) -> float:
        """At the end of the sequence pictures tell it, where there are some."""
        if self.pictured:
            return self.by_pictures(trial, metric, name)
        rival = (rival_of(trial, name),) in trial.sequence[:step]
        return self.value(trial, metric, name, rival)

    def value(self, trial: Trial, metric: str, name: str, rivalled: bool) -> float:
        """Axes, task 0, the seed, the class and its rival do something; the order does not."""
        first, axes = trial.sequence[0][0], trial.axes
        effects = [self.noise(axis, value, metric) for axis, value in sorted(axes.items())
                   if axis not in ("task0", "order")]  # fmt: skip
        luck = self.noise(trial.seed, first, metric, name)
        taken = self.draw("rival", name, metric).uniform(0, 0.02) * rivalled
        own = 0.01 * sum(effects) + 0.004 * luck + 0.006 * self.noise(first, metric)
        return 0.8 - 0.02 * self.number + own - float(taken)

    @property
    def labels(self) -> np.ndarray:
        good, bad = PICTURES[self.number]
        return np.arange(good + bad) >= good

    def scores(self, trial: Trial, name: str) -> np.ndarray:
        n, labels = len(self.labels), self.labels
        common = self.draw("pictures", name).normal(size=n)
        own = self.draw("own", name, trial.seed).normal(size=n)
        effects = [self.noise(axis, value) for axis, value in sorted(trial.axes.items())]
        return common + 0.1 * own + (1.2 + 0.4 * sum(effects)) * labels

    def contributions(self, trial: Trial, name: str, metric: str) -> np.ndarray:
        draw = self.draw("pixels", name, metric, trial.seed, sorted(trial.axes.items()))
        return 0.8 - 0.05 * self.number + 0.03 * draw.normal(size=len(self.labels))

    def by_pictures(self, trial: Trial, metric: str, name: str) -> float:
        labels, found = self.labels, self.scores(trial, name)
        if metric == "image_ap":
            return float(weighted_ap(labels, found)(np.ones((1, len(labels))))[0])
        if metric == "image_f1_max":
            return float(f1_max(labels, found, np.ones((len(labels), 1)))[0])
        if metric in PIXELS:
            return float(self.contributions(trial, name, metric).mean())
        return auroc_value(labels, found)

    def record(self, lab: Lab, trial: Trial) -> Record:
        lab.law, lab.loss = self.law, lambda one: 5.0 + self.noise("loss", one.key)
        record, w = lab.record(trial), self.number
        hours = 500.0 + 400 * float(self.draw("time", trial.key).uniform())
        seconds = {stage: took * (1 + 0.3 * w) for stage, took in record.seconds.items()}
        stages = {
            stage: StageSource(
                kind=stage.kind, key=f"{stage}", trial=trial.key, seconds=took,
                source="shared" if (i + w) % 3 == 0 else "made", verified=w == 1 and i == 1,
            )
            for i, (stage, took) in enumerate(seconds.items())
        }  # fmt: skip
        seconds |= {StageRef("evaluation", "+".join(task)): 0.8 + w for task in trial.sequence}
        good, bad = PICTURES[w]
        of = ClassSummary(train=200 + w, test_good=good, test_anomalous=bad, masks=bad - 1)
        return record.model_copy(
            update={
                "ended": record.started + hours, "seconds": seconds, "stages": stages,
                "parameters": PARAMETERS[w], "peak_memory": (3 + w) * 2**30, "attempts": 1 + w,
                "data": dict.fromkeys(record.data, of), "routing": self.routing(trial, record),
            }
        )  # fmt: skip

    def routing(self, trial: Trial, record: Record) -> RoutingCounts | None:
        assert record.routing is not None
        if len(trial.sequence) < 2:
            return record.routing
        counts = [[int(n) for n in row] for row in record.routing.counts]
        for row in counts:
            wrong = int(self.draw("wrong", trial.key).integers(1, 4))
            own = row.index(max(row))
            row[own] -= wrong
            row[own - 1] += wrong
        margin = -2.0 - self.number
        return record.routing.model_copy(
            update={"counts": tuple(map(tuple, counts)), "smallest_margin": margin}
        )

    def run(self, lab: Lab, folder: StudyFolder, plan: Plan, keep: Kept | None = None) -> None:
        """In each world others fail, diverge or do not run."""
        lost = {("failed", "diverged", "")[i]: at for i, at in enumerate(LOST[self.number])}
        for place, trial in enumerate(plan.trials):
            status = next((s for s, at in lost.items() if place - len(plan.trials) in at), "done")
            if status == "done":
                Ledger(folder).write(self.record(lab, trial))
                if keep is not None:
                    keep(self, folder, trial)
            elif status:
                lab.law = self.law
                lab.fail(folder, trial, f"epoch {3 + self.number}: no", status)


LOST = (((-1,), (-2,), ()), ((-2,), (-3,), (-1,)))
"""From the end of the plan: what failed, diverged, and was not run."""


def rival_of(trial: Trial, name: str) -> str:
    names = sorted(trial.classes)
    return names[names.index(name) - 1]


def keep_scores(world: World, folder: StudyFolder, trial: Trial) -> None:
    """Scores of test pictures, of which some go to the task of a rival; one trial keeps none."""
    if world.draw("kept", trial.key).uniform() < 0.1:
        return
    path = folder.artifacts(trial.key) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    names = trial.classes
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        head = ["class", "picture", "defect", "score_oracle", "score_routed", "routed_to"]
        head += [f"squared_distance {name}" for name in names]
        out.writerow([*head, *(f"pseudo_value {metric}" for metric in PIXELS)])
        for name in names:
            parts = [world.contributions(trial, name, metric) for metric in PIXELS]
            draw = world.draw("distances", trial.key, name)
            for i, score in enumerate(world.scores(trial, name).tolist()):
                kind = "bent" if world.labels[i] else ""
                far = {other: float(draw.uniform(2, 9)) for other in names}
                far[name] = float(draw.uniform(1, 3))
                row = [name, f"{kind or 'good'}/{i:03}.png", kind, score, score]
                row += [min(far, key=lambda other: far[other]), *far.values()]
                out.writerow([*row, *(float(part[i]) for part in parts)])


def keep_orders(world: World, folder: StudyFolder, trial: Trial) -> None:
    """What the router can choose, and scores."""
    first = trial.sequence[0][0]
    classes: list[ClassInOrders] = []
    for name in trial.classes:
        rival, odd = rival_of(trial, name), 0.001 * (world.draw(trial.key).uniform() < 0.2)
        values = {
            metric: tuple(world.value(trial, metric, name, known) + odd for known in (False, True))
            for metric in (*METRICS, "routing_accuracy")
        }
        classes.append(
            ClassInOrders(
                name=name, task=name, rivals=() if rival == first else (rival,),
                choice=(1,) if rival == first else (0, 1), values=values, without={},
            )
        )  # fmt: skip
    keep_scores(world, folder, trial)
    path = folder.artifacts(trial.key)
    path.mkdir(parents=True, exist_ok=True)
    write_kept(path, AllOrders(trial=trial.key, tasks=trial.classes, classes=tuple(classes)))


Settings = Mapping[str, Any]
CROSSED = (
    Grid(field="loss.tail_weight", values=(0.7, 0.3)),
    Variants(baseline="in", variants={"in": {}, "out": {"mixer.kernel": 0}}),
)
SETTINGS = ("ablation", "sensitivity", "cost")
VARIANTS = Variants(
    baseline="main", variants={"main": {}, "off": {"mixer.kernel": 0}, "same": {"lora.rank": 64}}
)
GRID = (
    Grid(field="loss.tail_weight", values=(0.7, 0.3)),
    Grid(field="lora.rank", values=(64, 32, 16, 4)),
)
STUDIES: Mapping[str, tuple[bool, Kept | None, Sequence[str], Settings]] = {
    "orders": (False, keep_orders, ("task_order", "task0", "routing", "cost", "scenarios"),
               {"task_zeros": 4, "orders": 1, "seeds": range(4)}),
    "moving": (False, keep_scores, ("task_order", "task0"),
               {"task_zeros": 2, "orders": 2, "seeds": range(3)}),
    "grid": (False, None, SETTINGS,
             {"task_zeros": 1, "orders": 1, "seeds": range(3), "axes": GRID}),
    "crossed": (True, keep_scores, ("interactions",),
                {"task_zeros": 1, "orders": 1, "seeds": range(4), "axes": CROSSED}),
    "variants": (True, keep_scores, ("ablation", "strategies", "context_synergy"),
                 {"task_zeros": 1, "orders": 1, "seeds": range(4), "axes": (VARIANTS,)}),
    "joint": (False, None, ("task_order", "routing"),
              {"scenario": "joint", "task_zeros": 1, "orders": 1, "seeds": range(3)}),
    "pairs": (False, None, ("task_order", "scenarios"),
              {"scenario": "2-1", "task_zeros": 1, "seeds": range(3)}),
}  # fmt: skip


def made(root: Path, name: str, number: int) -> StudyFolder:
    """A study of the list that came out in one of the two ways."""
    pictured, keep, reports, plan = STUDIES[name]
    lab = Lab(Root.at(root), reports=tuple(reports))
    lab.config = Config().updated({"freeze_base": name != "moving"})
    folder, planned = lab.plan(name=name, **plan)
    World(number, pictured).run(lab, folder, planned, keep)
    return folder


def study(root: Path, name: str, number: int) -> StudyFolder:
    """Of the list, or a search."""
    return searched(root, number) if name == "searched" else made(root, name, number)


SPACE = {"training.lr": log_uniform(1e-4, 1e-2), "loss.tail_weight": uniform(0.0, 1.0)}


def searched(root: Path, number: int, objective: str = "selection") -> StudyFolder:
    """A search of which trials failed, diverged and were stopped."""
    lab, world = Lab(Root.at(root), ("bottle", "cable")), World(number)
    axis = Search(space=SPACE, trials=24, objective=objective)
    study = Study(question="?", base=Config(), axes=(axis,), reports=("search",))
    folder, plan = lab.planned(study, "searched")
    for place, trial in enumerate(plan.trials[: -1 - number]):
        record = world.record(lab, trial)
        finals = [row for row in record.rows if row.definition == "final_mean"]
        draw = world.draw("selection", trial.key)
        by = [replace(r, definition="step_mean", value=float(draw.uniform(0.5, 0.9)))
              for r in finals]  # fmt: skip
        record = record.model_copy(update={"selection": tuple(by)})
        if place in (5, 11 + number):
            end = Stopped(tasks=1, value=0.55 + world.number / 10, place=3 + number, among=4)
            record = record.model_copy(update={"status": "stopped", "stopped": end})
        Ledger(folder).write(record)
    return folder
