"""What cannot work is refused before any trial starts: one message, naming thing and remedy."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moleflow.data.synthetic import make_synthetic
from orchestration import cli

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_synthetic(tmp_path_factory.mktemp("data") / "synthetic")


@pytest.fixture
def data(synthetic: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil, of two classes."""
    for name in ("fabric", "washer"):
        shutil.copytree(synthetic / name, tmp_path / "data" / name)
    return tmp_path / "data"


def refuse(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """Message of a command that must end with exit code 2 and no traceback."""
    monkeypatch.setattr("sys.argv", ["moleflow", *arguments])
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    text = said.out + said.err
    assert ended.value.code == 2, text
    assert "Traceback" not in text
    return text


def spoil_nothing(data: Path) -> None: ...


def no_train_good(data: Path) -> None:
    shutil.rmtree(data / "fabric" / "train")


def truncated_picture(data: Path) -> None:
    path = next((data / "fabric" / "test" / "good").iterdir())
    path.rename(path.with_name("broken.png"))
    path = path.with_name("broken.png")
    path.write_bytes(path.read_bytes()[:-200])


def not_a_picture(data: Path) -> None:
    (data / "fabric" / "train" / "good" / "broken.png").write_text("no picture")


def wrong_mask(data: Path) -> None:
    path = sorted((data / "fabric" / "ground_truth").rglob("*.png"))[0]
    Image.fromarray(np.full((7, 9), 255, dtype=np.uint8)).save(path)


@pytest.mark.parametrize(
    ("spoil", "options", "said"),
    [
        (spoil_nothing, ["--data", "/no/such/folder"], ["/no/such/folder", "--data"]),
        (spoil_nothing, [], ["--data DIR"]),
        (no_train_good, ["--data", "DATA"], ["fabric", "train/good"]),
        (truncated_picture, ["--data", "DATA"], ["broken.png"]),
        (not_a_picture, ["--data", "DATA"], ["broken.png"]),
        (wrong_mask, ["--data", "DATA"], ["_mask.png", "9", "7"]),
        (spoil_nothing, ["--data", "DATA", "--classes", "fabrik"], ["fabrik", "fabric"]),
        (spoil_nothing, ["--data", "DATA", "--task0", "wood"], ["wood", "fabric, washer"]),
        (
            spoil_nothing,
            ["--data", "DATA", "--set", "training.epoch=3"],
            ["training.epoch", "training.epochs"],
        ),
        (
            spoil_nothing,
            ["--data", "DATA", "--set", "training.epochs=many"],
            ["training.epochs", "'many'"],
        ),
        (spoil_nothing, ["--data", "DATA", "--set", "training.epochs"], ["FIELD=VALUE"]),
        (
            spoil_nothing,
            ["--data", "DATA", "--set", "patches.dim=130"],
            ["patches.dim", "divisible by 4", "132"],
        ),
        (
            spoil_nothing,
            ["--data", "DATA", "--set", "backbone.name=resnet81"],
            ["resnet81", "did you mean resnet"],
        ),
        (
            spoil_nothing,
            ["--data", "DATA", "--set", "backbone.weights=none.safetensors"],
            ["none.safetensors"],
        ),
        (spoil_nothing, ["--data", "DATA", "--profile", "fast"], ["'fast'", "main, method_v1_6"]),
        (spoil_nothing, ["--data", "DATA", "--seeds", "0"], ["--seeds 0"]),
        (spoil_nothing, ["--data", "DATA", "--runner", "slurm"], ["slurm", "ray_tune, inline"]),
        (spoil_nothing, ["--data", "DATA", "--cpus-per-trial", "-1"], ["cpus_per_trial", "-1"]),
        (spoil_nothing, ["--data", "DATA", "--autoscaling"], ["autoscaling", "address"]),
        (spoil_nothing, ["--data", "DATA", "--mlflow-uri", "nonsense"], ["nonsense", "sqlite"]),
        (spoil_nothing, ["--data", "DATA", "--root", "FILE/below"], ["below", "--root"]),
    ],
)  # fmt: skip
def test_bad_input_is_refused(
    spoil: object,
    options: list[str],
    said: list[str],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert callable(spoil)
    spoil(data)
    (tmp_path / "file").write_text("")
    options = [
        text.replace("DATA", str(data)).replace("FILE", str(tmp_path / "file")) for text in options
    ]
    defaults = ["--profile", "quick", "--set", "backbone.weights=random"]
    root = [] if "--root" in options else ["--root", str(tmp_path / "root")]
    if "--profile" in options:
        defaults = []
    text = refuse(["run", "task_order", *defaults, *options, *root], monkeypatch, capsys)
    for part in said:
        assert part in text
    assert not (tmp_path / "root").exists()  # a refused first study leaves nothing


def test_a_weights_file_that_lacks_a_stage_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "w.safetensors")
    options = ["--profile", "quick", "--data", str(data), "--root", str(tmp_path / "root")]
    weights = f"backbone.weights={tmp_path / 'w.safetensors'}"
    text = refuse(["run", "task_order", *options, "--set", weights], monkeypatch, capsys)
    assert "w.safetensors: lacks" in text and "layer2, layer3" in text


@pytest.mark.parametrize("command", ["status", "report", "sync"])
def test_a_study_that_was_never_run_is_refused(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = refuse([command, "nothing", "--root", str(tmp_path)], monkeypatch, capsys)
    assert "no study 'nothing'" in text and "--root" in text


def test_a_page_of_all_studies_is_not_written_where_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "typo"
    assert "is --root right?" in refuse(["report", "--root", str(root)], monkeypatch, capsys)
    assert not root.exists()


def test_an_unknown_study_is_refused_with_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = refuse(["run", "task_ordr"], monkeypatch, capsys)
    assert "did you mean task_order?" in text


def test_an_unknown_option_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--sedes" in refuse(["run", "task_order", "--sedes", "3"], monkeypatch, capsys)
