"""Outputs of `predict`, `train` and `learn`: found out before the work, written as it comes."""

import csv
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import moleflow
from moleflow.config import Config
from moleflow.predictor import Prediction, Unreadable
from orchestration import cli
from orchestration.models.predictions import MapFolder, Scale, ScoreLines

pytestmark = pytest.mark.slow

Moleflow = Callable[..., int]


@pytest.fixture
def moleflow_cli(monkeypatch: pytest.MonkeyPatch) -> Moleflow:
    def call(*arguments: object) -> int:
        monkeypatch.setattr("sys.argv", ["moleflow", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return call


@pytest.fixture(scope="module")
def normal_only(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes that have no test pictures yet."""
    root = tmp_path_factory.mktemp("normal")
    for name in ("bottle", "cable"):
        shutil.copytree(pictures / name / "train", root / name / "train")
    return root


@pytest.fixture(scope="module")
def model(normal_only: Path, settings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on normal pictures alone, then taught another class of which there are no others."""
    root = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch:
        train = ["train", "--data", normal_only, "--classes", "bottle", *settings]
        places = ["--out", root / "new" / "m", "--root", root / "runs"]
        learn = ["learn", root / "new" / "m", "--data", normal_only, "--classes", "cable"]
        for call in ([*train, *places], learn):
            patch.setattr("sys.argv", ["moleflow", *map(str, call)])
            with pytest.raises(SystemExit) as ended:
                cli.main()
            assert ended.value.code == 0
    return root / "new" / "m"


def test_train_and_learn_ask_for_normal_pictures_alone(model: Path, pictures: Path) -> None:
    assert moleflow.load(model).tasks == ("bottle", "cable")
    rows = moleflow.load(model).evaluate(pictures)
    assert {row.class_name for row in rows} == {"bottle", "cable", ""}


def _answer(number: int, patches: np.ndarray, config: Config) -> Prediction:
    return Prediction(Path(f"{number}.png"), 1.0, "a", {"a": 2.0}, patches, config, None)


def test_a_line_is_in_the_file_as_soon_as_its_picture_is_scored(
    tmp_path: Path, small: Config
) -> None:
    patches = np.zeros((2, 2), np.float32)
    with (tmp_path / "s.csv").open("w") as file:
        lines = ScoreLines(file, ["a"])
        for number in range(3):
            lines.write(_answer(number, patches, small))
            assert len((tmp_path / "s.csv").read_text().splitlines()) == number + 2


def test_names_that_are_no_text_keep_the_lines_of_the_others(tmp_path: Path) -> None:
    name = Path(b"caf\xe9.png".decode("utf-8", "surrogateescape"))
    file = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", newline="")
    ScoreLines(file, []).write(Unreadable(name, "gone"))
    file.seek(0)
    assert list(csv.reader(file))[1] == ["caf\\udce9.png", "", "", "gone"]


@pytest.mark.parametrize("shift", [0.0, 1000.0, -1000.0])
def test_a_scale_is_the_median_and_the_highest_of_all_values(shift: float) -> None:
    maps = np.random.default_rng(0).normal(shift, 300, (20, 32, 32)).astype(np.float32)
    scale = Scale()
    for one in maps:
        scale.add(one)
    low, high = scale.ends()
    assert high == maps.max()
    assert low == pytest.approx(float(np.median(maps)), rel=1 / 128, abs=2)


def test_a_scale_of_one_value_is_that_value() -> None:
    scale = Scale()
    scale.add(np.full((3, 3), -2.5, np.float32))
    low, high = scale.ends()
    assert high == -2.5 and low == pytest.approx(-2.5, rel=1 / 128) and low <= high


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    Image.new("RGB", (64, 64), (90, 80, 70)).save(tmp_path / "p.png")
    return tmp_path / "p.png"


def test_maps_are_drawn_from_what_was_kept_in_their_order(
    tmp_path: Path, photograph: Path, small: Config
) -> None:
    drawn = MapFolder(tmp_path / "maps", small)
    for number in (0, 3):
        patches = np.zeros((2, 2), np.float32)
        patches[number // 3, number // 3] = 50.0
        drawn.add(number, Prediction(photograph, 1.0, "a", {}, patches, small, None))
    drawn.draw()
    drawn.close()
    names = sorted(path.name for path in (tmp_path / "maps").iterdir())
    stem = f"{tmp_path.name}_p"
    maps = [f"000{n}_{stem}_{kind}.png" for n in (0, 3) for kind in ("map", "overlay")]
    assert names == [*maps, "scale.csv"]
    first, second = (np.asarray(Image.open(tmp_path / "maps" / maps[i])) for i in (0, 2))
    assert first[8, 8].sum() > first[55, 55].sum() and second[55, 55].sum() > second[8, 8].sum()


@pytest.fixture
def no_folder(tmp_path: Path) -> Iterator[Path]:
    """A place below something that is no folder: nobody, not even root, can write there."""
    (tmp_path / "file").write_text("")
    yield tmp_path / "file" / "out"


@pytest.mark.parametrize("option", ["--csv", "--maps"])
def test_outputs_that_cannot_be_written_are_refused_before_a_picture_is_scored(
    model: Path,
    photograph: Path,
    no_folder: Path,
    option: str,
    moleflow_cli: Moleflow,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("moleflow.predictor.Predictor._score", None)  # would fail otherwise
    assert moleflow_cli("predict", model, photograph, option, no_folder) == 2
    assert f"{no_folder}: cannot be written" in capsys.readouterr().err


def test_a_model_that_cannot_be_written_is_refused_before_it_is_trained(
    normal_only: Path,
    settings: list[str],
    no_folder: Path,
    tmp_path: Path,
    moleflow_cli: Moleflow,
    capsys: pytest.CaptureFixture[str],
) -> None:
    call = ("train", "--data", normal_only, *settings, "--out", no_folder, "--root", tmp_path / "r")
    assert moleflow_cli(*call) == 2
    said = capsys.readouterr()
    assert f"{no_folder}: cannot be written" in said.err and "features" not in said.out


def test_a_folder_for_scores_is_made(
    model: Path, photograph: Path, tmp_path: Path, moleflow_cli: Moleflow
) -> None:
    place = tmp_path / "new" / "folder" / "s.csv"
    assert moleflow_cli("predict", model, photograph, "--csv", place) == 0
    assert len(place.read_text().splitlines()) == 2


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_scores_are_never_written_over_a_picture_or_a_model(
    model: Path, photograph: Path, pictures: Path, command: str, moleflow_cli: Moleflow
) -> None:
    asked = (photograph,) if command == "predict" else ("--data", pictures, "--classes", "bottle")
    for output in (photograph, model / "model.json", model / "scores.csv"):
        before = output.read_bytes() if output.exists() else None
        assert moleflow_cli(command, model, *asked, "--csv", output) == 2
        assert (output.read_bytes() if output.exists() else None) == before


@pytest.mark.parametrize(
    ("scored", "maps"),
    [("in", "in"), ("in", "in/maps"), ("in/a.png", "in"), ("in/deep/../a.png", "in/deep/..")],
)
def test_no_map_is_written_where_the_next_call_would_score_it(
    model: Path, photograph: Path, tmp_path: Path, scored: str, maps: str, moleflow_cli: Moleflow
) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    shutil.copy(photograph, tmp_path / "in/a.png")
    assert moleflow_cli("predict", model, tmp_path / scored, "--maps", tmp_path / maps) == 2
    assert sorted(path.name for path in (tmp_path / "in").rglob("*")) == ["a.png", "deep"]
    assert moleflow_cli("predict", model, tmp_path / scored, "--maps", tmp_path / "out") == 0
