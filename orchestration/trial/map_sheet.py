"""The sheet of anomaly maps that a trial leaves: of some test pictures of each class, at the end,
and right after the class was learned where that was another map."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from moleflow.data.catalog import ClassData, Picture
from moleflow.data.decoding import FULL_DEPTH
from moleflow.data.images import open_square
from moleflow.evaluation import RoutedScores, SequenceEvaluation
from moleflow.saved import Depths
from moleflow.types import Bool, Float
from orchestration.records.map_images import write_images
from orchestration.records.map_sheets import EARLIER, PLACES, SHEET, TILES
from orchestration.studies.expansion import Trial
from orchestration.trial.heat_maps import heat

TILE, GAP, HEADER = 128, 4, 22
PICTURES_PER_CLASS = 6


@dataclass(frozen=True)
class Shown:
    """A picture of a class on the sheet."""

    index: int
    """Among the class's test pictures."""
    why: str
    """`good`: the good picture that scores highest; of the anomalous ones `best`, `median` and
    `worst` by their score, the highest first; `changed`: the one whose score has changed most since
    the class was learned; `more`."""
    score: float
    above: float
    """Share of the class's good pictures that score lower."""
    earlier: float
    """Score right after the class was learned."""


@dataclass(frozen=True)
class ClassLine:
    """A class's pictures beside each other, in tiles below each other."""

    data: ClassData
    now: RoutedScores
    earlier: RoutedScores
    shown: tuple[Shown, ...]
    changed: bool
    """Whether any patch of any test picture scores otherwise since the class was learned."""

    @property
    def tiles(self) -> tuple[str, ...]:
        """Maps of then only where any is another one now."""
        return (*TILES, EARLIER) if self.changed else TILES

    @property
    def size(self) -> tuple[int, int]:
        return (
            GAP + len(self.shown) * (TILE + GAP),
            HEADER + len(self.tiles) * (TILE + GAP),
        )

    def corner(self, column: int, tile: str) -> tuple[int, int]:
        """Left and top of a tile in pixels, where the line begins at the top."""
        return GAP + column * (TILE + GAP), HEADER + self.tiles.index(tile) * (TILE + GAP)


def write_map_sheet(
    folder: Path,
    trial: Trial,
    data: Mapping[str, ClassData],
    evaluation: SequenceEvaluation,
    when_learned: Mapping[str, RoutedScores],
    bits: Depths,
) -> None:
    """Per class a line of test pictures: photograph, anomaly map, mask, each by the routed bank;
    and images of them as a tracking store shows them.

    The colour scale of a class runs from its good pictures' median to its highest score, of its
    maps at the same moment: a base that goes on learning moves all scores of a class.
    """
    lines = [
        class_line(data[name], evaluation.routed(name), when_learned[name])
        for name in trial.classes
    ]
    width, height = max(one.size[0] for one in lines), sum(one.size[1] for one in lines)
    sheet, top = Image.new("RGB", (width, height), "white"), 0
    with (folder / PLACES).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        head = ["class", "why", "picture", "defect", "score", "above_good", "score_when_learned"]
        writer.writerow([*head, "size", "left", *TILES, EARLIER])
        for line in lines:
            depth = bits.get(line.data.name) or FULL_DEPTH
            sheet.paste(_drawn(line, trial, evaluation, depth), (0, top))
            writer.writerows(_places(line, top))
            top += line.size[1]
    sheet.save(folder / SHEET)
    write_images(folder, sheet, trial.sequence)


def class_line(data: ClassData, now: RoutedScores, earlier: RoutedScores) -> ClassLine:
    """Which pictures of a class are on the sheet, in the order of its columns."""
    scores, before = now.images, earlier.images
    changed = (now.patches != earlier.patches).flatten(1).any(dim=1).numpy()
    good = np.array([scores[i] for i, one in enumerate(data.test) if not one.anomalous])
    shown = tuple(
        Shown(
            index=i,
            why=why,
            score=float(scores[i]),
            above=float((good < scores[i]).mean()) if len(good) else 0.0,
            earlier=float(before[i]),
        )
        for i, why in _pick(data.test, scores, np.abs(scores - before), changed)
    )
    return ClassLine(data, now, earlier, shown, bool(changed.any()))


def _pick(
    pictures: Sequence[Picture],
    scores: Float[np.ndarray, " n"],
    by: Float[np.ndarray, " n"],
    changed: Bool[np.ndarray, " n"],
) -> list[tuple[int, str]]:
    """The good picture that scores highest, then of the anomalous ones the highest, the median and
    the lowest score, of all that have changed the one that has by most, and more of the anomalous
    ones, evenly over the defect types."""
    good = [i for i, picture in enumerate(pictures) if not picture.anomalous]
    bad = [i for i, picture in enumerate(pictures) if picture.anomalous]
    falling = sorted(bad, key=lambda i: (-scores[i], i))
    named = dict[int, str]()
    if good:
        named[max(good, key=lambda i: (scores[i], -i))] = "good"
    for place, why in ((0, "best"), (len(bad) // 2, "median"), (len(bad) - 1, "worst")):
        if bad:
            named.setdefault(falling[place], why)
    moved = [int(i) for i in np.flatnonzero(changed)]
    if moved:
        named.setdefault(max(moved, key=lambda i: (by[i], -i)), "changed")
    rest = [i for i in bad if i not in named]
    count = min(PICTURES_PER_CLASS - len(named), len(rest))
    more = [(rest[k * len(rest) // count], "more") for k in range(count)]
    return [*named.items(), *more]


def _places(line: ClassLine, top: int) -> list[list[object]]:
    """Where each picture stands on the sheet: corner of its photograph, map and mask, in pixels;
    no corner of an earlier map where all were the same."""
    rows: list[list[object]] = []
    for column, one in enumerate(line.shown):
        picture = line.data.test[one.index]
        where = f"{picture.path.parent.name}/{picture.path.name}"
        row = [line.data.name, one.why, where, picture.defect]
        scores = [one.score, one.above, one.earlier]
        left, _ = line.corner(column, TILES[0])
        tops: list[object] = [top + line.corner(column, tile)[1] for tile in TILES]
        earlier = top + line.corner(column, EARLIER)[1] if line.changed else ""
        rows.append([*row, *scores, TILE, left, *tops, earlier])
    return rows


def _drawn(line: ClassLine, trial: Trial, evaluation: SequenceEvaluation, bits: int) -> Image.Image:
    image, name = trial.config.image, line.data.name
    labels, masks = evaluation.truth(name)
    maps = _maps(line, evaluation.maps_of(line.now.patches), labels)
    earlier = maps
    if line.changed:
        earlier = _maps(line, evaluation.maps_of(line.earlier.patches), labels)
    canvas = Image.new("RGB", line.size, "white")
    told = "photograph, anomaly map, mask" + ", map when learned" * line.changed
    ImageDraw.Draw(canvas).text((GAP, 4), f"{name}  ({told})", "black", _font())
    for column, one in enumerate(line.shown):
        path = line.data.test[one.index].path
        tiles = {
            "photograph": open_square(path, image.size, image.resize, bits),
            "map": maps[column],
            "mask": _mask_tile(masks, one.index, image.size),
            EARLIER: earlier[column],
        }
        for tile in line.tiles:
            canvas.paste(tiles[tile].resize((TILE, TILE)), line.corner(column, tile))
    return canvas


def _maps(
    line: ClassLine, maps: Float[np.ndarray, "n s s"], labels: Bool[np.ndarray, " n"]
) -> list[Image.Image]:
    """Of the pictures that are shown, in one scale of colours."""
    low, high = float(np.median(maps[~labels])), float(maps.max())
    return [heat((maps[one.index] - low) / max(high - low, 1e-12)) for one in line.shown]


def _mask_tile(masks: np.ndarray | None, index: int, size: int) -> Image.Image:
    if masks is None:
        return Image.new("RGB", (size, size), "lightgrey")
    return Image.fromarray(masks[index].astype(np.uint8) * 255).convert("RGB")


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size=13)
