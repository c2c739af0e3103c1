"""What a trial leaves to look at: config, R matrices, every picture's scores, anomaly maps."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

from moleflow.data.catalog import ClassData, Picture
from moleflow.data.decoding import FULL_DEPTH
from moleflow.data.images import open_square
from moleflow.data.sequences import Task, task_name
from moleflow.evaluation import SequenceEvaluation
from moleflow.files import replaced_folder
from moleflow.measurement import Measurement
from moleflow.saved import Depths
from orchestration.records.map_sheets import PLACES, SHEET, TILES
from orchestration.studies.expansion import Trial
from orchestration.trial.all_orders import write_all_orders
from orchestration.trial.heat_maps import heat

TILE, GAP, HEADER = 128, 4, 22
PICTURES_PER_CLASS = 6
ROW_HEIGHT = HEADER + len(TILES) * (TILE + GAP)


def write_artifacts(
    folder: Path,
    trial: Trial,
    data: Mapping[str, ClassData],
    evaluation: SequenceEvaluation,
    bits: Depths,
) -> tuple[str, ...]:
    """Write all artifacts of a finished trial, in place of those of an earlier attempt; returns
    their names. Where a process was taken for dead, two attempts may come to this at once.

    Args:
        bits: that values of a class's 16-bit pictures use.
    """
    with replaced_folder(folder) as new:
        config = json.dumps(trial.config.model_dump(mode="json"), indent=1)
        (new / "config.json").write_text(config, encoding="utf-8")
        write_r_matrices(new / "r_matrices.csv", evaluation.measurements, trial.sequence)
        write_scores(new / "scores.csv", trial.sequence, data, evaluation)
        shown = shown_pictures(trial, data, evaluation)
        map_sheet(trial, data, evaluation, bits, shown).save(new / SHEET)
        write_shown(new / PLACES, shown, data)
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
                routed = routed_scores(sequence, evaluation, name)
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
                    writer.writerow([*row, *(float(d) for d in routing.distances[i])])


def routed_scores(
    sequence: Sequence[Task], evaluation: SequenceEvaluation, name: str
) -> Float[np.ndarray, " n"]:
    """Of a class's test pictures, each under the bank that the router chose."""
    chosen = [int(t) for t in evaluation.routing(name).chosen]
    by_task = {t: evaluation.scores(name, sequence[t]).images for t in sorted(set(chosen))}
    return np.array([by_task[t][i] for i, t in enumerate(chosen)])


@dataclass(frozen=True)
class Shown:
    """A picture of a class on the sheet of anomaly maps."""

    index: int
    """Among the class's test pictures."""
    why: str
    """`good`: the good picture that scores highest; of the anomalous ones `best`, `median` and
    `worst` by their score, the highest first; `more`."""
    score: float
    above: float
    """Share of the class's good pictures that score lower."""


def shown_pictures(
    trial: Trial, data: Mapping[str, ClassData], evaluation: SequenceEvaluation
) -> dict[str, list[Shown]]:
    """Which pictures of each class are on the sheet, in the order of its columns."""
    found: dict[str, list[Shown]] = {}
    for name in trial.classes:
        scores = routed_scores(trial.sequence, evaluation, name)
        pictures = data[name].test
        good = np.array([scores[i] for i, one in enumerate(pictures) if not one.anomalous])
        found[name] = [
            Shown(i, why, float(scores[i]), float((good < scores[i]).mean()) if len(good) else 0.0)
            for i, why in _pick(pictures, scores)
        ]
    return found


def write_shown(
    path: Path, shown: Mapping[str, Sequence[Shown]], data: Mapping[str, ClassData]
) -> None:
    """Where each picture stands on the sheet: corner of its photograph, map and mask, in pixels."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        head = ["class", "why", "picture", "defect", "score", "above_good", "size", "left"]
        writer.writerow([*head, *TILES])
        for line, (name, pictures) in enumerate(shown.items()):
            top = line * ROW_HEIGHT + HEADER
            for column, one in enumerate(pictures):
                picture = data[name].test[one.index]
                where = f"{picture.path.parent.name}/{picture.path.name}"
                row = [name, one.why, where, picture.defect, one.score, one.above, TILE]
                tops = [top + k * (TILE + GAP) for k in range(len(TILES))]
                writer.writerow([*row, GAP + column * (TILE + GAP), *tops])


def map_sheet(
    trial: Trial,
    data: Mapping[str, ClassData],
    evaluation: SequenceEvaluation,
    bits: Depths,
    shown: Mapping[str, Sequence[Shown]],
) -> Image.Image:
    """Per class a row of test pictures: photograph, anomaly map of the routed bank, mask.

    The colour scale of a class runs from its good pictures' median to its highest score.
    """
    rows = [
        _class_rows(trial, data[name], evaluation, bits.get(name) or FULL_DEPTH, shown[name])
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
    trial: Trial,
    data: ClassData,
    evaluation: SequenceEvaluation,
    bits: int,
    shown: Sequence[Shown],
) -> Image.Image:
    image, name = trial.config.image, data.name
    maps = evaluation.maps(name, evaluation.routing(name).chosen)
    labels, masks = evaluation.truth(name)
    low, high = float(np.median(maps[~labels])), float(maps.max())
    width = GAP + len(shown) * (TILE + GAP)
    canvas = Image.new("RGB", (width, ROW_HEIGHT), "white")
    draw = ImageDraw.Draw(canvas)
    draw.text((GAP, 4), f"{name}  (photograph, anomaly map, mask)", "black", _font())
    for column, i in enumerate(one.index for one in shown):
        left = GAP + column * (TILE + GAP)
        tiles = [
            open_square(data.test[i].path, image.size, image.resize, bits),
            heat((maps[i] - low) / max(high - low, 1e-12)),
            _mask_tile(masks, i, image.size),
        ]
        for line, tile in enumerate(tiles):
            canvas.paste(tile.resize((TILE, TILE)), (left, HEADER + line * (TILE + GAP)))
    return canvas


def _pick(pictures: Sequence[Picture], scores: Float[np.ndarray, " n"]) -> list[tuple[int, str]]:
    """The good picture that scores highest, then of the anomalous ones the highest, the median and
    the lowest score, and more of them, evenly over the defect types."""
    good = [i for i, picture in enumerate(pictures) if not picture.anomalous]
    bad = [i for i, picture in enumerate(pictures) if picture.anomalous]
    falling = sorted(bad, key=lambda i: (-scores[i], i))
    named = dict[int, str]()
    for place, why in ((0, "best"), (len(bad) // 2, "median"), (len(bad) - 1, "worst")):
        if bad:
            named.setdefault(falling[place], why)
    first = [(max(good, key=lambda i: (scores[i], -i)), "good")] if good else []
    rest = [i for i in bad if i not in named]
    count = min(PICTURES_PER_CLASS - len(first) - len(named), len(rest))
    more = [(rest[k * len(rest) // count], "more") for k in range(count)]
    return [*first, *named.items(), *more]


def _mask_tile(masks: np.ndarray | None, index: int, size: int) -> Image.Image:
    if masks is None:
        return Image.new("RGB", (size, size), "lightgrey")
    return Image.fromarray(masks[index].astype(np.uint8) * 255).convert("RGB")


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size=13)
