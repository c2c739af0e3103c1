"""What a trial leaves to look at: config, R matrices, every picture's scores, anomaly maps."""

import csv
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from moleflow.data.catalog import ClassData, Picture
from moleflow.data.decoding import FULL_DEPTH
from moleflow.data.images import open_square
from moleflow.data.sequences import Task, task_name
from moleflow.evaluation import SequenceEvaluation
from moleflow.measurement import Measurement
from moleflow.saved import Depths
from orchestration.studies.expansion import Trial
from orchestration.trial.heat_maps import heat

TILE, GAP, HEADER = 128, 4, 22
PICTURES_PER_CLASS = 6


def write_artifacts(
    folder: Path,
    trial: Trial,
    data: Mapping[str, ClassData],
    evaluation: SequenceEvaluation,
    bits: Depths,
) -> tuple[str, ...]:
    """Write all artifacts of a finished trial; returns their names.

    Args:
        bits: that values of a class's 16-bit pictures use.
    """
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)  # of an earlier attempt, or what a fault has left in their places
    else:
        folder.unlink(missing_ok=True)
    folder.mkdir(parents=True)
    config = json.dumps(trial.config.model_dump(mode="json"), indent=1)
    (folder / "config.json").write_text(config, encoding="utf-8")
    write_r_matrices(folder / "r_matrices.csv", evaluation.measurements, trial.sequence)
    write_scores(folder / "scores.csv", trial.sequence, data, evaluation)
    map_sheet(trial, data, evaluation, bits).save(folder / "anomaly_maps.png")
    return tuple(sorted(path.name for path in folder.iterdir()))


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
    """After the last task, per test picture: label, scores (true and routed task), distances."""
    names = [task_name(task) for task in sequence]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        distances = [f"squared_distance {name}" for name in names]
        writer.writerow(
            ["class", "picture", "defect", "score_oracle", "score_routed", "routed_to", *distances]
        )
        for task in sequence:
            for name in task:
                routing = evaluation.routing(name)
                oracle = evaluation.scores(name, task).images
                for i, picture in enumerate(data[name].test):
                    chosen = int(routing.chosen[i])
                    routed = evaluation.scores(name, sequence[chosen]).images[i]
                    where = f"{picture.path.parent.name}/{picture.path.name}"
                    row = [
                        name,
                        where,
                        picture.defect,
                        float(oracle[i]),
                        float(routed),
                        names[chosen],
                    ]
                    writer.writerow([*row, *(float(d) for d in routing.distances[i])])


def map_sheet(
    trial: Trial, data: Mapping[str, ClassData], evaluation: SequenceEvaluation, bits: Depths
) -> Image.Image:
    """Per class a row of test pictures: photograph, anomaly map of the routed bank, mask.

    The colour scale of a class runs from its good pictures' median to its highest score.
    """
    rows = [
        _class_rows(trial, data[name], evaluation, bits.get(name) or FULL_DEPTH)
        for name in trial.classes
    ]
    width = max(row.width for row in rows)
    sheet = Image.new("RGB", (width, sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet


def _class_rows(
    trial: Trial, data: ClassData, evaluation: SequenceEvaluation, bits: int
) -> Image.Image:
    image, name = trial.config.image, data.name
    maps = evaluation.maps(name, evaluation.routing(name).chosen)
    labels, masks = evaluation.truth(name)
    low, high = float(np.median(maps[~labels])), float(maps.max())
    picked = _pick(data.test)
    width = GAP + len(picked) * (TILE + GAP)
    canvas = Image.new("RGB", (width, HEADER + 3 * (TILE + GAP)), "white")
    draw = ImageDraw.Draw(canvas)
    draw.text((GAP, 4), f"{name}  (photograph, anomaly map, mask)", "black", _font())
    for column, i in enumerate(picked):
        left = GAP + column * (TILE + GAP)
        tiles = [
            open_square(data.test[i].path, image.size, image.resize, bits),
            heat((maps[i] - low) / max(high - low, 1e-12)),
            _mask_tile(masks, i, image.size),
        ]
        for line, tile in enumerate(tiles):
            canvas.paste(tile.resize((TILE, TILE)), (left, HEADER + line * (TILE + GAP)))
    return canvas


def _pick(pictures: Sequence[Picture]) -> list[int]:
    """One good picture, then anomalous ones, evenly over the defect types."""
    good = [i for i, picture in enumerate(pictures) if not picture.anomalous][:1]
    bad = [i for i, picture in enumerate(pictures) if picture.anomalous]
    count = min(PICTURES_PER_CLASS - len(good), len(bad))
    return good + [bad[k * len(bad) // count] for k in range(count)]


def _mask_tile(masks: np.ndarray | None, index: int, size: int) -> Image.Image:
    if masks is None:
        return Image.new("RGB", (size, size), "lightgrey")
    return Image.fromarray(masks[index].astype(np.uint8) * 255).convert("RGB")


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size=13)
