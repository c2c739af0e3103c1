"""Trials that kept scores of test pictures which their numbers follow from."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from moleflow.streams import numpy_stream
from orchestration.records.layout import StudyFolder
from orchestration.studies.expansion import Trial
from reports.kept_scores import FILE, PIXELS
from reports.statistics import auroc_value, weighted_ap
from reports.statistics.over_images import f1_max
from tests.reports.conftest import Lab

GOOD, ANOMALOUS = 12, 18
LABELS = np.arange(GOOD + ANOMALOUS) >= GOOD
WORSE, CHANCE = "hazelnut", "cable"
"""Tasks 0 that change scores as the variants of these names do."""


def scores(trial: Trial, class_name: str) -> np.ndarray:
    """What pictures look like is the same for all; a seed sees each its own way, and `chance` gains
    by two pictures of one class that few samples have."""
    common = numpy_stream("tests", "pictures", class_name).normal(size=len(LABELS))
    own = numpy_stream("tests", "own", class_name, trial.seed).normal(size=len(LABELS))
    variant = trial.axes.get("variant", "main")
    found = common + 0.1 * own + 1.5 * LABELS
    if variant == "worse" and trial.config.loss.tail_weight == 0:
        variant = "main" if "loss.tail_weight" in trial.axes else variant
    if variant == "worse" or trial.sequence[0][0] == WORSE:
        found = found - 1.2 * LABELS
    if (variant == "chance" or trial.sequence[0][0] == CHANCE) and class_name == "bottle":
        found[np.flatnonzero(LABELS)[:2]] += 4
    return found


def law(trial: Trial, metric: str, class_name: str, step: int) -> float:
    found = scores(trial, class_name)
    if metric == "image_auroc":
        return auroc_value(LABELS, found)
    if metric == "image_ap":
        return float(weighted_ap(LABELS, found)(np.ones((1, len(LABELS))))[0])
    if metric == "image_f1_max":
        return float(f1_max(LABELS, found, np.ones((len(LABELS), 1)))[0])
    if metric in PIXELS:
        return float(contributions(trial, class_name, metric).mean())
    return 0.9


def contributions(trial: Trial, class_name: str, metric: str) -> np.ndarray:
    """What pictures contribute to a metric of pixels: anomalous ones scatter more."""
    common = numpy_stream("tests", "pixels", class_name, metric).normal(size=len(LABELS))
    own = numpy_stream("tests", "own pixels", class_name, metric, trial.seed)
    found = 0.8 + 0.05 * common * (1 + 2 * LABELS) + 0.01 * own.normal(size=len(LABELS))
    worse = trial.axes.get("variant") == "worse" or trial.sequence[0][0] == WORSE
    return found - 0.1 * worse


def keep(folder: StudyFolder, trial: Trial, of: Mapping[str, np.ndarray] | None = None) -> Path:
    path = folder.artifacts(trial.key) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        distances = [f"squared_distance {name}" for name in trial.classes]
        head = ["class", "picture", "defect", "score_oracle", "score_routed", "routed_to"]
        writer.writerow([*head, *distances, *(f"pseudo_value {metric}" for metric in PIXELS)])
        for name in trial.classes:
            parts = [contributions(trial, name, metric) for metric in PIXELS]
            for i, score in enumerate((of or {}).get(name, scores(trial, name))):
                kind = "bent" if LABELS[i] else ""
                far = [1.0 if other == name else 4.0 for other in trial.classes]
                value = float(score)
                row = [name, f"{kind or 'good'}/{i:03}.png", kind, value, value, name, *far]
                writer.writerow([*row, *(float(part[i]) for part in parts)])
    return path


def run(lab: Lab, folder: StudyFolder, trials: tuple[Trial, ...]) -> None:
    lab.law, lab.pictures = law, len(LABELS)
    lab.run(folder, trials)
    for trial in trials:
        keep(folder, trial)


def page(folder: StudyFolder) -> str:
    return (folder.report / "report.md").read_text("utf-8")


def read(folder: StudyFolder, name: str, index: str = "metric") -> pd.DataFrame:
    return pd.read_csv(folder.report / "tables" / f"{name}.csv").set_index(index)
