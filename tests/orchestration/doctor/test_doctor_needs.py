"""What the doctor tells of a trial's memory."""

from pathlib import Path

import pytest
from rich.console import Console

from moleflow import profiles
from moleflow.training.footprint import footprint, streamed
from orchestration.commands import doctor as command
from orchestration.doctor.machine import Gpu, Torch
from orchestration.doctor.needs import ask_patches, judge_needs, look_at_patches

GB = 10**9
CONFIG = profiles.main().updated({"compute.precision": "bfloat16"})
GRID, IMAGES = (28, 28), (391, 209)


def told(*sizes: int) -> tuple[str, str]:
    gpus = [Gpu(name=f"card {size}", memory=size * GB, kind="cuda:sm_90") for size in sizes]
    need = footprint(CONFIG, GRID, IMAGES)
    found = judge_needs("main", need, streamed(need, CONFIG, GRID), gpus)
    assert bool(found.remedy) == (found.state != "ok")
    return found.state, found.found


def test_the_share_of_each_gpu_is_told() -> None:
    state, found = told(80, 12)
    assert state == "ok"
    assert "card 80: 10 at once (--gpus-per-trial 0.1)" in found
    assert "card 12: 4 at once (--gpus-per-trial 0.25)" in found


def test_a_gpu_that_holds_no_trial_is_worth_a_warning() -> None:
    state, found = told(80, 2)
    assert (state, "card 2: too small" in found) == ("warning", True)


def test_without_a_gpu_usual_ones_are_told_of() -> None:
    state, found = told()
    assert (state, "a GPU of 24 GB: " in found) == ("ok", True)


@pytest.mark.slow
def test_patches_are_those_that_a_backbone_makes() -> None:
    small = {"backbone.name": "resnet18", "image.size": 64, "multiscale": "on"}
    config = profiles.method_v1_6().updated(small)
    found = look_at_patches(config.model_dump_json())
    assert (found.grid, found.channels) == ((4, 4), 128 + 256)
    assert look_at_patches(profiles.quick().model_dump_json()).grid == (12, 12)


@pytest.mark.soak
def test_a_backbone_is_looked_at_in_a_process_of_its_own() -> None:
    assert ask_patches(profiles.main()).grid == (28, 28)
    assert ask_patches(profiles.high_res()).grid == (56, 56)


def test_the_command_tells_of_a_profile_where_it_is_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.doctor import needs

    monkeypatch.setattr(command, "examine_machine", lambda *a: iter(()))
    monkeypatch.setattr(needs, "ask_torch", Torch)
    monkeypatch.setattr(
        needs, "ask_patches", lambda config: look_at_patches(config.model_dump_json())
    )
    console = Console(record=True, width=300)
    monkeypatch.setattr(command, "out", console)
    settings = ("image.size=96", "training.batch_size=4")
    assert command.doctor(root=tmp_path, profile="quick", settings=settings) == 0
    assert "quick with 15 tasks of up to 391 pictures" in console.export_text()
    assert command.doctor(root=tmp_path) == 0
    assert "quick" not in console.export_text()
