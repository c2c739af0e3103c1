"""What `moleflow predict` writes: a CSV of scores and chosen tasks, maps and overlays as PNG.

Nothing is kept of a picture: its line is written when it is scored; its patch scores, from which a
map is made, lie in a file until the colour scale of all maps is known.
"""

import csv
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from moleflow.config import Config
from moleflow.data.images import open_square
from moleflow.data.listing import images_below, is_picture
from moleflow.data.opening import SUFFIXES
from moleflow.errors import ConfigError, DataError
from moleflow.predictor import Prediction, Unreadable, map_of
from orchestration.plain import cell, one_line, path_cell
from orchestration.trial.heat_maps import heat, overlay

LOW_QUANTILE = 0.5
"""Share of a task's map pixels that are drawn black: half of what a camera sees is normal."""
SHIFT = np.uint32(16)
SIGN = np.uint32(1 << 31)


def pictures_in(places: Sequence[Path]) -> list[Path]:
    """The files named, and all pictures below the folders named, in the order of their names.

    Raises:
        DataError: a folder holds no picture, or may not be read.
    """
    found: list[Path] = []
    for place in places:
        if not place.is_dir():
            found.append(place)  # a file that is missing is reported like one that is damaged
            continue
        inside = images_below(place)
        if not inside:
            raise DataError(f"{place}: holds no pictures (looked for {', '.join(SUFFIXES)})")
        found += inside
    return found


def refuse_inputs(
    model: Path, csv_file: Path | None, maps: Path | None = None, places: Sequence[Path] = ()
) -> None:
    """Nothing is written over pictures or a model, and no map where the next call would score it.

    Args:
        places: what is scored, files or folders.

    Raises:
        ConfigError: `csv_file` is called like a picture or lies in the model; `maps` is a folder
            of files that are scored, or lies in a folder that is.
    """
    if csv_file is not None and is_picture(csv_file):
        raise ConfigError(f"--csv {csv_file}: is called like a picture; name a file for the scores")
    for option, output in (("--csv", csv_file), ("--maps", maps)):
        if output is not None and output.resolve().is_relative_to(model.resolve()):
            raise ConfigError(f"{option} {output}: lies in the model {model}; choose another place")
    if maps is None:
        return
    folder = maps.resolve()
    for place in places:
        scored = place.resolve()
        if folder.is_relative_to(scored) or (folder == scored.parent and not place.is_dir()):
            raise ConfigError(
                f"--maps {maps}: pictures that are scored lie there ({place}), so the next call "
                "would score maps; choose another folder"
            )


class ScoreLines:
    """A line per picture: score, task, squared distance to every task; or why there is none."""

    def __init__(self, file: TextIO, tasks: Sequence[str]):
        self._file, self._tasks, self._writer = file, tasks, csv.writer(file)
        distances = [f"squared_distance {task}" for task in tasks]
        self._writer.writerow(["image", "score", "task", *map(cell, distances), "problem"])

    def write(self, answer: Prediction | Unreadable) -> None:
        image = path_cell(str(answer.image))
        if isinstance(answer, Unreadable):
            nothing = ["" for _ in range(len(self._tasks) + 2)]
            self._writer.writerow([image, *nothing, cell(one_line(answer.reason))])
        else:
            distances = [answer.distances.get(task, "") for task in self._tasks]
            self._writer.writerow([image, answer.score, cell(answer.task), *distances, ""])
        self._file.flush()  # who ends a long run early has all that was scored


class Scale:
    """From the median to the highest of values that come one map after another.

    Values are counted by the upper half of their bits, so the median is right to one part in 256.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(1 << 16, np.int64)
        self._highest = -np.inf

    def add(self, values: np.ndarray) -> None:
        bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
        # Bits that rise with the value: negative ones are turned round.
        rising = np.where(bits & SIGN, ~bits, bits | SIGN)
        self._counts += np.bincount((rising >> SHIFT).ravel(), minlength=1 << 16)
        self._highest = max(self._highest, float(values.max()))

    def ends(self) -> tuple[float, float]:
        """What is drawn black, and what is brightest."""
        seen = np.cumsum(self._counts)
        place = int(np.searchsorted(seen, LOW_QUANTILE * float(seen[-1])))
        middle = np.array([(place << 16) | (1 << 15)], np.uint32)
        bits = np.where(middle & SIGN, middle & ~SIGN, ~middle)
        return min(float(bits.view(np.float32)[0]), self._highest), self._highest


@dataclass(frozen=True)
class Scored:
    """A picture whose map is to be drawn."""

    number: int
    image: Path
    task: str
    bits: int | None


class MapFolder:
    """`NNNN_<name>_map.png` and `NNNN_<name>_overlay.png` of every picture that was scored.

    Scores of different tasks do not compare, so each task has its own colour scale, from the median
    to the highest value over all its maps here; it stands in `scale.csv`.
    """

    def __init__(self, folder: Path, config: Config):
        """Raises:
        OSError: the folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._config = folder, config
        self._scales: defaultdict[str, Scale] = defaultdict(Scale)
        self._scored: list[Scored] = []
        self._shape = (0, 0)
        # `close` ends it.
        self._patches = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    def add(self, number: int, answer: Prediction) -> None:
        """Keep what a picture's map is made of."""
        self._scales[answer.task].add(answer.map)
        self._scored.append(Scored(number, answer.image, answer.task, answer.bits))
        self._shape = answer.patches.shape
        self._patches.write(answer.patches.astype(np.float32).tobytes())

    def draw(self) -> None:
        """Write all maps, now that their scale is known.

        Raises:
            OSError: the folder cannot be written.
            DataError: a picture is gone meanwhile.
        """
        ends = {task: scale.ends() for task, scale in sorted(self._scales.items())}
        self._patches.seek(0)
        for one in self._scored:
            self._draw(one, *ends[one.task])
        with (self._folder / "scale.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["task", "black", "brightest"])
            writer.writerows([cell(task), *pair] for task, pair in ends.items())

    def close(self) -> None:
        self._patches.close()

    def _draw(self, one: Scored, low: float, high: float) -> None:
        config, (height, width) = self._config, self._shape
        content = self._patches.read(4 * height * width)
        patches = np.frombuffer(bytearray(content), np.float32).reshape(height, width)
        values = (map_of(patches, config) - low) / max(high - low, np.finfo(np.float32).tiny)
        photograph = open_square(one.image, config.map_size, config.image.resize, one.bits)
        name = f"{one.number:04d}_{one.image.parent.name}_{one.image.stem}"
        heat(values).save(self._folder / f"{name}_map.png")
        overlay(photograph, values).save(self._folder / f"{name}_overlay.png")
