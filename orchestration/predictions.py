"""What `moleflow predict` writes: a CSV of scores and chosen tasks, maps and overlays as PNG."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from moleflow.config import Config
from moleflow.data.images import open_square
from moleflow.data.opening import SUFFIXES
from moleflow.errors import DataError
from moleflow.predictor import Prediction, Unreadable
from moleflow.scoring import map_size
from orchestration.pictures import heat, overlay

LOW_QUANTILE = 0.5
"""Share of a task's map pixels that are drawn black: half of what a camera sees is normal."""


def pictures_in(places: Sequence[Path]) -> list[Path]:
    """The files named, and all pictures below the folders named, in the order of their names.

    Raises:
        DataError: a folder holds no picture, or a place does not exist.
    """
    found: list[Path] = []
    for place in places:
        if not place.is_dir():
            found.append(place)  # a file that is missing is reported like one that is damaged
            continue
        inside = sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not inside:
            raise DataError(f"{place}: holds no pictures (looked for {', '.join(SUFFIXES)})")
        found += inside
    return found


def write_scores(
    file: TextIO,
    answers: Iterable[Prediction | Unreadable],
    tasks: Sequence[str],
) -> None:
    """A line per picture: score, task, squared distance to every task; or why there is none."""
    writer = csv.writer(file)
    columns = [f"squared_distance {task}" for task in tasks]
    writer.writerow(["image", "score", "task", *columns, "problem"])
    for answer in answers:
        if isinstance(answer, Unreadable):
            writer.writerow([answer.image, "", "", *("" for _ in tasks), answer.reason])
        else:
            distances = [answer.distances.get(task, "") for task in tasks]
            writer.writerow([answer.image, answer.score, answer.task, *distances, ""])


def write_maps(folder: Path, answers: Sequence[Prediction | Unreadable], config: Config) -> None:
    """`NNNN_<name>_map.png` and `NNNN_<name>_overlay.png` of every picture that was scored.

    Scores of different tasks do not compare, so each task has its own colour scale, from the median
    to the highest value over all its maps here; it stands in `scale.csv`.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scored = {i: a for i, a in enumerate(answers) if isinstance(a, Prediction)}
    tasks = sorted({answer.task for answer in scored.values()})
    scales = {task: _scale([a.map for a in scored.values() if a.task == task]) for task in tasks}
    for i, answer in scored.items():
        low, high = scales[answer.task]
        values = (answer.map - low) / max(high - low, np.finfo(np.float32).tiny)
        photograph = open_square(answer.image, map_size(config), config.image.resize)
        name = f"{i:04d}_{answer.image.parent.name}_{answer.image.stem}"
        heat(values).save(folder / f"{name}_map.png")
        overlay(photograph, values).save(folder / f"{name}_overlay.png")
    with (folder / "scale.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["task", "black", "brightest"])
        writer.writerows([task, *scale] for task, scale in scales.items())


def _scale(maps: Sequence[np.ndarray]) -> tuple[float, float]:
    values = np.stack(maps)
    return float(np.quantile(values, LOW_QUANTILE)), float(values.max())
