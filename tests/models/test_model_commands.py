"""`train`, `predict`, `evaluate` and `learn` as a person uses them, and the same from Python."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import moleflow
from moleflow.config import Config
from moleflow.errors import ModelError, WeightsError
from moleflow.predictor import Prediction, Unreadable
from moleflow.sealed import seal, unsealed
from orchestration import cli

pytestmark = pytest.mark.slow

Moleflow = Callable[..., int]


@pytest.fixture(scope="session")
def moleflow_cli() -> Moleflow:
    def call(*arguments: object) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["moleflow", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                cli.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return call


@pytest.fixture(scope="session")
def trained(
    pictures: Path,
    settings: list[str],
    moleflow_cli: Moleflow,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """`moleflow train` on two classes."""
    root = tmp_path_factory.mktemp("trained")
    code = moleflow_cli(
        *("train", "--data", pictures, "--classes", "cable", "bottle", *settings),
        *("--out", root / "model", "--root", root / "runs"),
    )
    assert code == 0
    return root / "model"


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "model"))


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_sequence_is_learned_in_the_order_named(trained: Path) -> None:
    assert moleflow.load(trained).tasks == ("cable", "bottle")


def test_training_is_repeatable_and_an_existing_model_is_kept(
    trained: Path,
    pictures: Path,
    settings: list[str],
    moleflow_cli: Moleflow,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    call = ("train", "--data", pictures, "--classes", "cable", "bottle", *settings)
    call += ("--root", tmp_path, "--out", tmp_path / "again")
    assert moleflow_cli(*call) == 0
    one, other = (json.loads((m / "model.json").read_text()) for m in (trained, tmp_path / "again"))
    assert one["files"] == other["files"]
    assert moleflow_cli(*call) == 2
    assert "exists already" in capsys.readouterr().err


def test_predict_writes_a_line_per_picture_and_its_maps(
    trained: Path, pictures: Path, moleflow_cli: Moleflow, tmp_path: Path
) -> None:
    call = ("predict", trained, pictures / "bottle" / "test", pictures / "cable" / "test" / "good")
    assert moleflow_cli(*call, "--csv", tmp_path / "s.csv", "--maps", tmp_path / "maps") == 0
    rows = read_csv(tmp_path / "s.csv")
    assert len(rows) == 12
    assert [row["task"] for row in rows] == ["bottle"] * 8 + ["cable"] * 4
    for row in rows:
        distances = {name: float(row[f"squared_distance {name}"]) for name in ("cable", "bottle")}
        assert row["task"] == min(distances, key=lambda name: distances[name])
    assert len(list((tmp_path / "maps").glob("*_map.png"))) == 12
    with Image.open(tmp_path / "maps" / "0000_good_0_overlay.png") as picture:
        assert picture.size == (64, 64)


def test_predict_agrees_with_evaluate(
    trained: Path, pictures: Path, moleflow_cli: Moleflow, tmp_path: Path
) -> None:
    """The two ways to the same numbers: AUROC from predicted scores is the evaluated one."""
    assert moleflow_cli("evaluate", trained, "--data", pictures, "--csv", tmp_path / "e.csv") == 0
    rows = {
        (r["class"], r["metric"], r["routing"]): r["value"] for r in read_csv(tmp_path / "e.csv")
    }
    assert {key[0] for key in rows} == {"bottle", "cable", "mean"}
    for name in ("bottle", "cable"):
        answers = moleflow.load(trained).predict(sorted((pictures / name / "test").rglob("*.png")))
        scored = [a for a in answers if isinstance(a, Prediction)]
        bad = [a.score for a in scored if "hole" in str(a.image)]
        good = [a.score for a in scored if "good" in str(a.image)]
        pairs = [(b > g) + 0.5 * (b == g) for b in bad for g in good]
        assert float(rows[name, "image_auroc", "routed"]) == pytest.approx(np.mean(pairs))


def test_what_evaluate_leaves_out_is_told_and_may_be_unfinished(
    trained: Path,
    pictures: Path,
    moleflow_cli: Moleflow,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A product that is not learned yet has no defects yet."""
    for name in ("cable", "wood"):
        shutil.copytree(pictures / name, tmp_path / "data" / name)
    shutil.rmtree(tmp_path / "data/wood/test")
    assert moleflow_cli("evaluate", trained, "--data", tmp_path / "data") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "left out: wood (not learned by this model)" in said
    assert f"left out: bottle (learned, and not in {tmp_path}/data)" in said
    shutil.rmtree(tmp_path / "data/cable")
    assert moleflow_cli("evaluate", trained, "--data", tmp_path / "data") == 2
    assert "holds none of the model's classes (cable, bottle)" in capsys.readouterr().err


def test_a_picture_that_cannot_be_read_is_reported_and_the_others_go_on(
    trained: Path,
    pictures: Path,
    moleflow_cli: Moleflow,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = pictures / "cable" / "test" / "good" / "0.png"
    broken = tmp_path / "[bold]broken.png"
    broken.write_bytes(good.read_bytes()[:300])
    call = ("predict", trained, good, broken, tmp_path / "missing.png", good)
    assert moleflow_cli(*call, "--csv", tmp_path / "s.csv") == 1
    rows = read_csv(tmp_path / "s.csv")
    assert [bool(row["score"]) for row in rows] == [True, False, False, True]
    assert rows[0]["score"] == rows[3]["score"]
    assert "damaged" in rows[1]["problem"] and "missing.png" in rows[2]["problem"]
    assert "[bold]broken.png" in capsys.readouterr().err


def test_a_named_task_is_used_and_an_unknown_one_refused(
    trained: Path, pictures: Path, moleflow_cli: Moleflow, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = pictures / "cable" / "test" / "good" / "0.png"
    (answer,) = moleflow.load(trained).predict([picture], task="bottle")
    assert isinstance(answer, Prediction)
    assert (answer.task, answer.distances) == ("bottle", {})
    (routed,) = moleflow.load(trained).predict([picture])
    assert isinstance(routed, Prediction) and routed.score != answer.score
    assert moleflow_cli("predict", trained, picture, "--task", "wood") == 2
    assert "no task 'wood'; this model's tasks are cable, bottle" in capsys.readouterr().err


def test_a_learned_task_equals_the_one_trained_in_sequence(
    model: Path,
    trained: Path,
    pictures: Path,
    settings: list[str],
    moleflow_cli: Moleflow,
    tmp_path: Path,
) -> None:
    before = {p.name: p.read_bytes() for p in model.iterdir() if p.name != "model.json"}
    assert moleflow_cli("learn", model, "--data", pictures, "--classes", "wood") == 0
    assert {p.name: p.read_bytes() for p in model.iterdir() if p.name in before} == before
    call = ("train", "--data", pictures, "--classes", "cable", "bottle", "wood", *settings)
    assert moleflow_cli(*call, "--out", tmp_path / "whole", "--root", tmp_path) == 0
    one, other = (json.loads((m / "model.json").read_text()) for m in (model, tmp_path / "whole"))
    assert one["files"] == other["files"] and one["tasks"] == other["tasks"]
    answers = list(
        moleflow.load(model).predict(sorted((pictures / "wood" / "test").rglob("*.png")))
    )
    assert {a.task for a in answers if isinstance(a, Prediction)} == {"wood"}


def test_a_class_is_learned_once(model: Path, pictures: Path) -> None:
    with pytest.raises(ModelError, match="bottle: learned already"):
        list(moleflow.load(model).learn(pictures, ["bottle", "wood"]))


def test_an_unfrozen_model_cannot_learn_more(
    small: Config, pictures: Path, settings: list[str], moleflow_cli: Moleflow, tmp_path: Path
) -> None:
    call = ("train", "--data", pictures, "--classes", "cable", *settings, "freeze_base=false")
    assert moleflow_cli(*call, "--out", tmp_path / "m", "--root", tmp_path) == 0
    with pytest.raises(ModelError, match="freeze_base is false"):
        list(moleflow.load(tmp_path / "m").learn(pictures, ["wood"]))


def test_a_model_whose_router_is_the_oracle_must_be_told_the_task(
    pictures: Path, settings: list[str], moleflow_cli: Moleflow, tmp_path: Path
) -> None:
    call = ("train", "--data", pictures, "--classes", "cable", *settings, "router.distance=oracle")
    assert moleflow_cli(*call, "--out", tmp_path / "m", "--root", tmp_path) == 0
    with pytest.raises(ModelError, match="name the task, one of cable"):
        list(moleflow.load(tmp_path / "m").predict([pictures / "cable/test/good/0.png"]))


def test_other_weights_than_those_of_training_are_refused(trained: Path, pictures: Path) -> None:
    manifest = trained / "model.json"
    other = Path(shutil.copytree(trained, manifest.parent.with_name("other")))
    text = unsealed(manifest.read_bytes()).decode()
    text = text.replace('"weights": "random:0"', '"weights": "random:7"')
    (other / "model.json").write_bytes(seal(text))
    with pytest.raises(WeightsError, match="was trained with random:7"):
        list(moleflow.load(other).predict([pictures / "cable/test/good/0.png"]))


def test_classes_that_were_not_learned_are_refused(trained: Path, pictures: Path) -> None:
    with pytest.raises(ModelError, match="wood were not learned"):
        moleflow.load(trained).evaluate(pictures, ["wood"])


def test_an_unreadable_answer_names_its_picture(trained: Path, tmp_path: Path) -> None:
    (answer,) = moleflow.load(trained).predict([tmp_path / "none.png"])
    assert isinstance(answer, Unreadable) and answer.image == tmp_path / "none.png"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--classes", "cable", "bottle", "--scenario", "3-1"], "scenario 3-1"),
        (["--classes", "cable", "nothing"], "no class 'nothing'"),
        (["--classes", "cable", "--profile", "huge"], "unknown profile"),
        (["--classes", "cable", "--set", "patches.dim=18"], "not divisible by 4"),
        (["--classes", "cable", "--set", "image.size=3"], "wider than a map of 3 pixels"),
        (["--classes", "cable", "--set", "lora.rank=0"], "lora.rank: 0 does not fit"),
        (["--classes", "cable", "--device", "tpu"], "choose cpu or cuda"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    arguments: list[str],
    said: str,
    pictures: Path,
    moleflow_cli: Moleflow,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    call = ("train", "--data", pictures, *arguments, "--out", tmp_path / "m", "--root", tmp_path)
    assert moleflow_cli(*call) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_divergence_leaves_no_model(
    pictures: Path,
    settings: list[str],
    moleflow_cli: Moleflow,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wild = ["training.lr=1e30", "training.clip_norm=1e30"]
    call = ("train", "--data", pictures, "--classes", "cable", *settings, *wild)
    assert moleflow_cli(*call, "--out", tmp_path / "m", "--root", tmp_path) == 1
    assert "training of cable diverged in epoch" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
