"""What is asked of the backbones before a study, and how long the answer is kept."""

import json
import os
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from moleflow import profiles
from moleflow.config import Config
from moleflow.config_parts import BackboneConfig
from moleflow.errors import ConfigError, WeightsError
from orchestration.driver import preflight
from orchestration.driver.preflight import check_precision, checking_beside, checking_here
from orchestration.records.layout import Root
from orchestration.studies.terms import Resources

LONG_AGO = 1_600_000_000


def quick(**backbone: object) -> Config:
    changes = {f"backbone.{name}": value for name, value in backbone.items()}
    return profiles.quick().updated({"backbone.weights": "random", **changes})


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    import timm

    return timm.create_model("resnet18").state_dict()


@pytest.fixture
def weights(tmp_path: Path, tensors: dict[str, torch.Tensor], monkeypatch) -> Path:
    """A file that nobody has touched for a while."""
    save_file(tensors, tmp_path / "w.safetensors")
    monkeypatch.setattr(preflight, "SETTLED", -1.0)
    return tmp_path / "w.safetensors"


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the backbones that are built."""
    names, look_at = list[str](), preflight.look_at

    def look(asked: preflight.Query) -> preflight.Answer:
        names.append(asked.backbone.name)
        return look_at(asked)

    monkeypatch.setattr(preflight, "look_at", look)
    return names


def check(root: Root, *configs: Config) -> dict[BackboneConfig, str]:
    with checking_here(configs, root) as found:
        return dict(found())


def test_a_backbone_that_was_found_sound_is_not_built_again(
    root: Root, weights: Path, looked: list[str]
) -> None:
    config = quick(weights=str(weights))
    first, second = check(root, config), check(root, config)
    assert first == second and first[config.backbone].startswith("sha256:")
    assert looked == ["resnet18"]


@pytest.mark.slow
def test_weights_that_were_replaced_are_looked_at_again_even_with_the_old_times(
    root: Root, weights: Path, tensors: dict[str, torch.Tensor], looked: list[str]
) -> None:
    config = quick(weights=str(weights))
    os.utime(weights, (LONG_AGO, LONG_AGO))
    before = check(root, config)
    save_file({name: value + 1 for name, value in tensors.items()}, weights)
    os.utime(weights, (LONG_AGO, LONG_AGO))
    assert check(root, config) != before and len(looked) == 2


@pytest.mark.slow
def test_a_file_that_has_just_been_written_is_not_taken_for_settled(
    root: Root, weights: Path, monkeypatch: pytest.MonkeyPatch, looked: list[str]
) -> None:
    monkeypatch.setattr(preflight, "SETTLED", 60.0)
    config = quick(weights=str(weights))
    assert check(root, config) == check(root, config)
    assert len(looked) == 2


@pytest.mark.slow
def test_other_settings_are_looked_at_and_a_damaged_note_is_no_answer(
    root: Root, looked: list[str]
) -> None:
    config = quick()
    check(root, config)
    check(root, config.updated({"backbone.random_seed": 1}), config.updated({"image.size": 96}))
    assert len(looked) == 3
    (note, *_) = (root.store / "checked").glob("backbone-*.json")
    note.write_text("")
    check(root, config, config.updated({"backbone.random_seed": 1}))
    check(root, config.updated({"image.size": 96}))
    assert len(looked) == 4


def test_what_is_wrong_is_not_kept(root: Root, looked: list[str]) -> None:
    for _ in range(2):
        with pytest.raises(WeightsError, match="resnet81"):
            check(root, quick(name="resnet81"))
    assert len(looked) == 2


@pytest.mark.slow
def test_another_process_finds_what_this_one_would_and_raises_the_same(
    root: Root, looked: list[str]
) -> None:
    sound = quick()
    vit = quick(name="vit_small_patch14_dinov2", stages=["blocks.0"])
    with (
        checking_beside([sound, vit.updated({"image.size": 100})], root) as found,
        pytest.raises(ConfigError, match="no multiple of 14"),
    ):
        found()
    kept = check(root, sound)
    assert looked == []
    assert kept == check(Root.at(root.path / "elsewhere"), sound)


def test_a_check_that_nobody_waits_for_leaves_no_process(root: Root) -> None:
    start, processes = time.monotonic(), Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    before = processes.read_text().split()
    with checking_beside([quick()], root):
        assert processes.read_text().split() != before
    assert processes.read_text().split() == before
    assert time.monotonic() - start < 5


def test_notes_hold_plain_data(root: Root) -> None:
    check(root, quick())
    (note,) = (root.store / "checked").iterdir()
    found = json.loads(note.read_text())["found"]
    assert found == {"weights": "random:0", "error": "", "message": ""}


@pytest.mark.parametrize("field", ["compute.precision", "backbone.precision"])
def test_tf32_is_refused_where_trials_run_on_processors(field: str) -> None:
    config = profiles.quick().updated({field: "tf32"})
    with pytest.raises(ConfigError, match=f"{field}: tf32 is how GPUs multiply"):
        check_precision([config], Resources())
    check_precision([config], Resources(gpus_per_trial=1))
