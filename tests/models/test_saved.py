"""A saved model is whole or refused, and gives the same bits in another process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from moleflow.config import Config
from moleflow.data.sequences import Task
from moleflow.errors import ModelError, StoreError
from moleflow.model import MoLEFlow
from moleflow.router import new_prototype
from moleflow.saved import load_model, save_added_task, save_model
from moleflow.sealed import seal
from moleflow.streams import torch_stream
from moleflow.tasks.freeze import module_digest
from moleflow.training.train import train_task

pytestmark = pytest.mark.slow

GRID = (4, 4)
A, B, C = ("bottle",), ("cable", "carpet"), ("a/b ü+",)
DATA = {"bottle": "1", "cable": "2", "carpet": "3", "a/b ü+": "4"}


def features(task: Task, dim: int = 16) -> torch.Tensor:
    draws = torch_stream("features", task)
    return torch.randn(1, dim, generator=draws) + torch.randn(8, *GRID, dim, generator=draws)


def trained(config: Config, *tasks: Task) -> tuple[MoLEFlow, list[Any]]:
    model = MoLEFlow(config, GRID, 3, tasks[0])
    for task in tasks:
        list(train_task(model, task, [features(task)]))
    means = [features(task).mean(dim=(1, 2)).double() for task in tasks]
    return model, [new_prototype(m, config.router) for m in means]


@pytest.fixture(scope="module")
def short() -> Config:
    return Config().updated(
        {
            "patches.dim": 16,
            "flow.blocks": 2,
            "lora.rank": 2,
            "training.epochs": 2,
            "training.warmup_epochs": 1,
        }
    )


@pytest.fixture
def folder(short: Config, tmp_path: Path) -> Path:
    model, prototypes = trained(short, A, B)
    save_model(tmp_path / "model", model, prototypes, "random:0", DATA)
    return tmp_path / "model"


SCORES = """
import sys, torch
from moleflow.saved import load_model
from moleflow.streams import torch_stream
torch.manual_seed(int(sys.argv[2])); torch.set_num_threads(int(sys.argv[3]))
saved = load_model(__import__("pathlib").Path(sys.argv[1]))
x = torch.randn(5, 4, 4, 16, generator=torch_stream("test"))
with torch.inference_mode():
    for task in saved.sequence:
        print(task, saved.model.log_likelihood(x, task)[0].double().tolist())
means = torch.randn(5, 16, generator=torch_stream("means")).double()
print([p.squared_distance(means).tolist() for p in saved.prototypes])
"""


@pytest.mark.soak
def test_a_new_process_with_another_seed_and_thread_count_gives_the_same_bits(
    folder: Path, short: Config
) -> None:
    model, prototypes = trained(short, A, B)
    x = torch.randn(5, *GRID, 16, generator=torch_stream("test"))
    with torch.inference_mode():
        here = [f"{t} {model.log_likelihood(x, t)[0].double().tolist()}" for t in (A, B)]
    means = torch.randn(5, 16, generator=torch_stream("means")).double()
    here.append(str([p.squared_distance(means).tolist() for p in prototypes]))
    for seed, threads in (("1", "1"), ("2", "2")):
        command = [sys.executable, "-c", SCORES, str(folder), seed, threads]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        assert ran.stdout.splitlines() == here


@pytest.mark.parametrize("change", [{"separate": True}, {"adapter": "film"}, {"lora": "off"}])
def test_every_kind_of_model_comes_back_bit_for_bit(
    change: dict[str, Any], short: Config, tmp_path: Path
) -> None:
    model, prototypes = trained(short.updated(change), A, B)
    save_model(tmp_path / "model", model, prototypes, "random:0", DATA)
    saved = load_model(tmp_path / "model")
    assert saved.sequence == (A, B)
    for task in (A, B):
        assert module_digest(saved.model.base_of(task)) == module_digest(model.base_of(task))
        assert module_digest(saved.model.banks[task]) == module_digest(model.banks[task])


def test_base_and_banks_lie_in_files_of_their_own(folder: Path) -> None:
    manifest = json.loads((folder / "model.json").read_text())
    named = [task[part] for task in manifest["tasks"] for part in ("base", "bank", "router")]
    assert len(set(named)) == 5
    assert {path.name for path in folder.iterdir()} == {*named, "model.json"}


def test_an_added_bank_leaves_the_other_files_bytes(folder: Path, short: Config) -> None:
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "model.json"}
    saved = load_model(folder)
    list(train_task(saved.model, C, [features(C)]))
    prototype = new_prototype(features(C).mean(dim=(1, 2)).double(), short.router)
    save_added_task(folder, saved, C, prototype, DATA)
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.name in before} == before
    again = load_model(folder)
    assert again.sequence == (A, B, C)
    whole, _ = trained(short, A, B, C)
    assert module_digest(again.model.banks[C]) == module_digest(whole.banks[C])


def test_a_flipped_byte_is_refused(folder: Path) -> None:
    bank = next(folder.glob("bank-*"))
    content = bytearray(bank.read_bytes())
    content[-3] ^= 1
    bank.write_bytes(content)
    with pytest.raises(ModelError, match=f"{bank.name}: is damaged"):
        load_model(folder)


def test_a_missing_file_is_refused(folder: Path) -> None:
    next(folder.glob("router-*")).unlink()
    with pytest.raises(ModelError, match=r"router-.*cannot be read"):
        load_model(folder)


def test_another_format_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(ModelError, match=r"format 99, this .* train it anew"):
        load_model(folder)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"format": 1}', bytes(99), b"[" * 10**5, seal('{"a": 1}')]
)
def test_a_manifest_that_is_none_is_refused(content: bytes, folder: Path) -> None:
    (folder / "model.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.json"):
        load_model(folder)


def test_a_manifest_that_was_changed_is_refused_whatever_it_says(folder: Path) -> None:
    path = folder / "model.json"
    path.write_text(path.read_text().replace('"top_k": 3', '"top_k": 4'))
    with pytest.raises(ModelError, match="does not match its checksum"):
        load_model(folder)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a saved model"):
        load_model(tmp_path)


def test_a_task_that_cannot_be_added_leaves_the_model_as_it_was(
    folder: Path, short: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    saved = load_model(folder)
    list(train_task(saved.model, C, [features(C)]))
    prototype = new_prototype(features(C).mean(dim=(1, 2)).double(), short.router)
    full = OSError(28, "No space left on device")

    def refuse(*_: object) -> None:
        raise full

    monkeypatch.setattr("moleflow.files.os.fsync", refuse)
    with pytest.raises(StoreError, match="No space"):
        save_added_task(folder, saved, C, prototype, DATA)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_failed_save_leaves_the_old_model(
    folder: Path, short: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    model, prototypes = trained(short, A, B)
    full = OSError(28, "No space left on device")

    def refuse(*_: object) -> None:
        raise full

    monkeypatch.setattr("moleflow.files.os.fsync", refuse)
    with pytest.raises(StoreError, match="No space"):
        save_model(folder, model, prototypes, "random:0", DATA)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
