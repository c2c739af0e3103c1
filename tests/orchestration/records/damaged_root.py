"""A small real study in a root folder, ways to damage its files, and what commands then say."""

import contextlib
import io
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from orchestration import cli
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger

STUDY = "damaged"
TEXT = """
from search_spaces.task_order import STUDY

STUDY = STUDY.model_copy(update={"reports": ("checklist",)})
"""
"""Runs end with the report that is written soonest; what reads the most is asked for by name."""
SMALL = (
    *("--profile", "quick", "--runner", "inline", "--task0", "a", "--orders", "2", "--seeds", "1"),
    *("--set", "image.size=64", "patches.dim=16", "flow.blocks=1", "lora.rank=2"),
    *("training.epochs=2", "training.warmup_epochs=0", "backbone.name=resnet18"),
    *("backbone.weights=random", "scoring.smoothing=1.0", "position=none", "dia.blocks=0"),
)


def make_pictures(folder: Path, names: str = "abc") -> Path:
    """Classes in MVTec layout, each of a grey of its own, with a bright square as their defect."""
    for number, name in enumerate(names):
        draws = np.random.default_rng(number)
        for place, count in (("train/good", 4), ("test/good", 3), ("test/broken", 3)):
            for i in range(count):
                pixels = draws.normal(80 + 40 * number, 10, (64, 64, 3))
                mask = np.zeros((64, 64), np.uint8)
                if place == "test/broken":
                    mask[20 + i : 36 + i, 20:36] = 255
                    pixels[mask > 0] += 60
                    save(mask, folder / name / "ground_truth/broken" / f"{i:03d}_mask.png")
                save(pixels.clip(0, 255).astype(np.uint8), folder / name / place / f"{i:03d}.png")
    return folder


def save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def call(*arguments: str | Path) -> tuple[int, str]:
    """Exit code of a command in this process, and all it said; an exception that leaves it is
    raised."""
    said = io.StringIO()
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "1000"
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = cli._done([str(argument) for argument in arguments])
    finally:
        os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)
    return code, said.getvalue()


class Study:
    """A root folder as a finished study left it, put back before every damage."""

    def __init__(self, folder: Path):
        self.root = Root.at(folder / "root")
        self._data, self._whole = make_pictures(folder / "data"), folder / "whole"
        self._file = folder / f"{STUDY}.py"
        self._file.write_text(TEXT)
        code, said = self.run()
        assert code == 0, said
        shutil.copytree(self.root.path, self._whole)
        self.numbers = self.found()
        self.key = min(self.numbers["trials"])

    def run(self) -> tuple[int, str]:
        return call("run", self._file, "--data", self._data, *SMALL, "--root", self.root.path)

    def put_back(self) -> None:
        shutil.rmtree(self.root.path)
        shutil.copytree(self._whole, self.root.path)

    def files(self) -> list[Path]:
        """All that the root folder holds, below it."""
        found = (path for path in self._whole.rglob("*") if path.is_file())
        return sorted(path.relative_to(self._whole) for path in found)

    def found(self) -> dict[str, object]:
        """What the ledger and the table of results say."""
        folder = self.root.study(STUDY)
        table = pd.read_parquet(folder.results)
        trials = {r.key: (r.status, r.rows, r.hashes) for r in Ledger(folder).records()}
        return {"trials": trials, "table": table.to_csv(index=False)}


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(path.name).randbytes(path.stat().st_size) + b"\n")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def exchanged(path: Path) -> None:
    """With the next file of its kind, here or in a folder beside; by itself where there is none."""
    other = next(iter(brothers(path)), None)
    if other is not None:
        one, two = path.read_bytes(), other.read_bytes()
        path.write_bytes(two)
        other.write_bytes(one)


def brothers(path: Path) -> Iterator[Path]:
    for depth in range(1, 4):
        above = path.parents[depth - 1]
        inside = path.relative_to(above)
        pattern = ["*"] * (len(inside.parts) - 1) + ["*" + path.suffix]
        for other in sorted(above.glob("/".join(pattern))):
            same = depth == 1 or other.name == path.name
            if other != path and other.is_file() and same:
                yield other


DAMAGES: tuple[Callable[[Path], None], ...] = (
    *(truncated, emptied, zeroed, garbage, exchanged, a_folder),
)
