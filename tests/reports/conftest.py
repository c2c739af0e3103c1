"""A factory of studies on disk: a plan, and ledger records with numbers of a chosen law."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from moleflow.config import Config
from moleflow.measurement import Measurement
from moleflow.metrics import catalogue
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import ClassSummary, Failure, Ledger, Record, RoutingCounts
from orchestration.records.plans import write_plan
from orchestration.records.stages import StageRef
from orchestration.studies.axes import Axis, Orders, TaskZero
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.points import settings_of
from orchestration.studies.study import Study
from orchestration.studies.versions import result_versions

METRICS = tuple(metric.name for metric in catalogue.METRICS if metric.compute)
MASKED = {metric.name for metric in catalogue.METRICS if metric.needs_masks}
Law = Callable[[Trial, str, str, int], float]
"""(trial, metric, class, step) -> value."""
LossLaw = Callable[[Trial], float]
"""Of the base's last epoch."""


def constant(trial: Trial, metric: str, class_name: str, step: int) -> float:
    return 0.9


@dataclass
class Lab:
    """Writes studies below one folder."""

    root: Root
    classes: tuple[str, ...] = ("bottle", "cable", "hazelnut", "metal_nut")
    law: Law = constant
    loss: LossLaw | None = None
    """None: records have no losses."""
    without_masks: frozenset[str] = frozenset()
    weights: str = "pretrained"
    config: Config = field(default_factory=Config)
    reports: tuple[str, ...] = ("task_order",)
    margins: dict[str, float] = field(default_factory=dict)
    pictures: int = 20
    """Test pictures of a class that the router sent somewhere."""
    hashes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Overrides of recorded hashes, by trial key."""

    def plan(
        self,
        task_zeros: int = 2,
        orders: int = 2,
        seeds: Sequence[int] = (0, 1),
        axes: tuple[Axis, ...] = (),
        data: str = "folder",
        name: str = "orders",
        scenario: str = "1-1",
        groups: tuple[tuple[str, ...], ...] = (),
    ) -> tuple[StudyFolder, Plan]:
        study = Study.model_validate(
            {
                "question": "Does the order of tasks matter?",
                "base": self.config.updated({"backbone.weights": self.weights}),
                "classes": self.classes,
                "axes": (TaskZero(count=task_zeros), Orders(count=orders), *axes),
                "seeds": tuple(seeds),
                "data": data,
                "scenario": scenario,
                "groups": groups,
                "reports": self.reports,
                "margins": self.margins,
            }
        )
        return self.planned(study, name)

    def planned(self, study: Study, name: str) -> tuple[StudyFolder, Plan]:
        """A study of any kind."""
        prints = {c: f"{i:02d}ab" * 16 for i, c in enumerate(self.classes)}
        weights = {config.backbone: "digest" for config in settings_of(study)}
        plan = expand(name, study, "/data/mvtec", prints, weights)
        folder = self.root.study(name)
        folder.path.mkdir(parents=True)
        write_plan(plan, folder)
        return folder, plan

    def run(self, folder: StudyFolder, trials: Iterable[Trial]) -> None:
        for trial in trials:
            Ledger(folder).write(self.record(trial))

    # A trial may fail after its last measurement, so it keeps all its rows here.
    def fail(self, folder: StudyFolder, trial: Trial, message: str, status: str = "failed") -> None:
        record = self.record(trial)
        failure = Failure(
            kind="DivergedError",
            message=message,
            stage=StageRef("adapter", "cable"),
            numbers={"epoch": 3},
            traceback="Traceback (most recent call last):\n  <module>",
        )
        update = {"status": status, "failure": failure}
        Ledger(folder).write(record.model_copy(update=update))

    def record(self, trial: Trial) -> Record:
        names, made = trial.classes, f"{trial.sequence[0]}{trial.seed}"
        tasks = {"+".join(task): task for task in trial.sequence}
        bank = {f"bank {task}": f"{made}{task}{trial.config}" for task in tasks}
        scores = {
            f"scores {c}": f"s{made}{task}{trial.config}" for task in tasks.values() for c in task
        }
        own = self.pictures
        counts = tuple(tuple(own * (c in task) for task in tasks.values()) for c in names)
        return Record(
            **dict(trial),
            status="finished",
            data={
                c: ClassSummary(
                    train=200,
                    test_good=20,
                    test_anomalous=60,
                    masks=0 if c in self.without_masks else 60,
                )
                for c in names
            },
            result_versions=result_versions(),
            versions={"python": "3.11.9", "moleflow": "0.1.0", "torch": "2.6.0", "timm": "1.0.15"},
            git="0123abc",
            device="cpu",
            threads=4,
            host="node-1",
            started=1_700_000_000.0,
            ended=1_700_000_900.0,
            seconds={
                StageRef("base", names[0]): 300.0,
                **{StageRef("adapter", c): 60.0 for c in names[1:]},
            },
            losses={StageRef("base", "+".join(trial.sequence[0])): self.loss(trial)}
            if self.loss
            else {},
            rows=tuple(self._rows(trial)),
            hashes={"base": f"{trial.sequence[0]}{trial.seed}"}
            | bank
            | scores
            | self.hashes.get(trial.key, {}),
            routing=RoutingCounts(
                classes=names,
                tasks=tuple(tasks),
                counts=counts,
                smallest_margin=12.5 + trial.seed if len(tasks) > 1 else None,
            ),
        )

    def _rows(self, trial: Trial) -> Iterable[Measurement]:
        last = len(trial.sequence)
        own = {c: index for index, task in enumerate(trial.sequence) for c in task}
        for metric in (*METRICS, "routing_accuracy"):
            pixels = metric in MASKED
            measured = [c for c in trial.classes if not (pixels and c in self.without_masks)]
            for routing in ("routed",) if metric == "routing_accuracy" else ("routed", "oracle"):
                matrix = {
                    (step, c): self.law(trial, metric, c, step)
                    for step in range(1, last + 1)
                    for c in measured
                    if own[c] < step
                }
                for (step, c), value in matrix.items():
                    yield _row(step, own[c], c, metric, "step", routing, value)
                for definition, value in _summaries(matrix, last, own).items():
                    yield _row(last, -1, "", metric, definition, routing, value)


def _row(
    step: int, task: int, c: str, metric: str, definition: str, routing: str, value: float
) -> Measurement:
    tree = {"step": step, "task": task, "class_name": c, "metric": metric}
    return Measurement(**tree, definition=definition, routing=routing, value=value)


def _summaries(
    matrix: dict[tuple[int, str], float], last: int, own_task: dict[str, int]
) -> dict[str, float]:
    final = {c: v for (step, c), v in matrix.items() if step == last}
    own = {c: matrix[own_task[c] + 1, c] for c in final}
    past = [c for c in final if own_task[c] < last - 1]
    best = {c: max(v for (_, name), v in matrix.items() if name == c) for c in final}
    found = {
        "final_mean": _mean(final.values()),
        "on_task_mean": _mean(own.values()),
    }
    if past:
        found |= {
            "backward_transfer/last_minus_own": _mean(final[c] - own[c] for c in past),
            "forgetting/max_minus_last": _mean(best[c] - final[c] for c in past),
        }
    return found


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers)


@pytest.fixture(scope="session")
def make_lab() -> Callable[[Path], Lab]:
    return lambda folder: Lab(Root.at(folder))


@pytest.fixture
def lab(make_lab: Callable[[Path], Lab], tmp_path: Path) -> Lab:
    return make_lab(tmp_path)
