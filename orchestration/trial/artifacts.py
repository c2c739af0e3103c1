"""What a trial leaves to look at: config, R matrices, every picture's scores, anomaly maps."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from moleflow.data.catalog import ClassData
from moleflow.data.sequences import Task, task_name
from moleflow.evaluation import RoutedScores, SequenceEvaluation
from moleflow.files import replaced_folder
from moleflow.measurement import Measurement
from moleflow.metrics.catalogue import PIXELS
from moleflow.saved import Depths
from orchestration.studies.expansion import Trial
from orchestration.trial.all_orders import write_all_orders
from orchestration.trial.map_sheet import write_map_sheet


def write_artifacts(
    folder: Path,
    trial: Trial,
    data: Mapping[str, ClassData],
    evaluation: SequenceEvaluation,
    when_learned: Mapping[str, RoutedScores],
    bits: Depths,
) -> tuple[str, ...]:
    """Write all artifacts of a finished trial, in place of those of an earlier attempt; returns
    their names. Where a process was taken for dead, two attempts may come to this at once.

    Args:
        when_learned: scores of each class right after its task.
        bits: that values of a class's 16-bit pictures use.
    """
    with replaced_folder(folder) as new:
        config = json.dumps(trial.config.model_dump(mode="json"), indent=1)
        (new / "config.json").write_text(config, encoding="utf-8")
        write_r_matrices(new / "r_matrices.csv", evaluation.measurements, trial.sequence)
        write_scores(new / "scores.csv", trial.sequence, data, evaluation)
        write_map_sheet(new, trial, data, evaluation, when_learned, bits)
        write_all_orders(new, trial, data, evaluation)
        return tuple(sorted(path.name for path in new.iterdir()))


def write_r_matrices(
    path: Path, measurements: Iterable[Measurement], sequence: Sequence[Task]
) -> None:
    """R[i, j] of every metric and routing: a line per step, a column per class in task order."""
    classes = [name for task in sequence for name in task]
    table: dict[tuple[str, str, int], dict[str, float]] = {}
    for row in measurements:
        if row.definition == "step":
            table.setdefault((row.metric, row.routing, row.step), {})[row.class_name] = row.value
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["metric", "routing", "tasks_seen", *classes])
        for (metric, routing, step), values in sorted(table.items()):
            writer.writerow([metric, routing, step, *(values.get(name, "") for name in classes)])


def write_scores(
    path: Path,
    sequence: Sequence[Task],
    data: Mapping[str, ClassData],
    evaluation: SequenceEvaluation,
) -> None:
    """After the last task, per test picture: label, scores (true and routed task), distances, and
    what it contributes to each pixel metric of its class, whose mean it is."""
    names = [task_name(task) for task in sequence]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        distances = [f"squared_distance {name}" for name in names]
        head = ["class", "picture", "defect", "score_oracle", "score_routed", "routed_to"]
        writer.writerow([*head, *distances, *(f"pseudo_value {metric}" for metric in PIXELS)])
        for task in sequence:
            for name in task:
                routing = evaluation.routing(name)
                oracle = evaluation.scores(name, task).images
                routed = evaluation.routed(name).images
                parts = evaluation.contributions(name)
                for i, picture in enumerate(data[name].test):
                    where = f"{picture.path.parent.name}/{picture.path.name}"
                    row = [
                        name,
                        where,
                        picture.defect,
                        float(oracle[i]),
                        float(routed[i]),
                        names[int(routing.chosen[i])],
                    ]
                    row += map(float, routing.distances[i])
                    row += [float(parts[of][i]) if parts else "" for of in PIXELS]
                    writer.writerow(row)
