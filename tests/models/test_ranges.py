"""A model reads 16-bit pictures in the range that its training pictures used."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import moleflow
from moleflow.predictor import Prediction, Predictor, Unreadable
from orchestration import cli

pytestmark = pytest.mark.slow


def _save(pixels: np.ndarray, bits: int, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels if bits == 8 else pixels.astype(np.uint16) << (bits - 8)).save(path)
    return path


@pytest.fixture(scope="module")
def model(pictures: Path, settings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a camera of 12 bits, and one of 10."""
    root = tmp_path_factory.mktemp("ranges")
    for name, bits in (("bottle", 12), ("cable", 10)):
        for path in (pictures / name / "train/good").iterdir():
            grey = np.asarray(Image.open(path).convert("L"))
            _save(grey, bits, root / "data" / name / "train/good" / path.name)
    call = ["train", "--data", root / "data", *settings, "--out", root / "m", "--root", root / "r"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["moleflow", *map(str, call)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert ended.value.code == 0
    return root / "m"


@pytest.fixture(scope="module")
def predictor(model: Path) -> Predictor:
    return moleflow.load(model)


@pytest.mark.parametrize(("task", "bits"), [("bottle", 12), ("cable", 10)])
def test_a_picture_of_the_range_of_its_task_scores_as_its_8_highest_bits(
    predictor: Predictor, pictures: Path, tmp_path: Path, task: str, bits: int
) -> None:
    grey = np.asarray(Image.open(pictures / task / "test/hole/0.png").convert("L"))
    files = [_save(grey, used, tmp_path / f"{used}.png") for used in (8, bits)]
    plain, deep = predictor.predict(files, task)
    assert isinstance(plain, Prediction) and isinstance(deep, Prediction)
    assert plain.score == deep.score


def test_where_ranges_differ_a_16_bit_picture_needs_its_task(
    predictor: Predictor, pictures: Path, tmp_path: Path
) -> None:
    grey = np.asarray(Image.open(pictures / "cable/test/hole/0.png").convert("L"))
    files = [_save(grey, used, tmp_path / f"{used}.png") for used in (8, 10)]
    plain, deep = predictor.predict(files)
    assert isinstance(plain, Prediction)
    assert isinstance(deep, Unreadable) and "name the task with --task" in deep.reason
