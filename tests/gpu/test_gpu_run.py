"""The run for GPUs, on the processor: every part at a tiny size, and what a failure does to it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from moleflow import profiles
from moleflow.model import MoLEFlow
from tests.gpu import run
from tests.gpu.findings import Check, Finding
from tests.gpu.floor import moved_bytes, operations, products
from tests.gpu.place import A, B, Place
from tests.gpu.run import PARTS, Part
from tests.gpu.speed import MVTEC

pytestmark = pytest.mark.slow

ON_CUDA = {"trained", "captured", "streamed", "out_of_memory", "memory"}
"""Parts of which a processor can show nothing."""


def run_parts(folder: Path, *only: str) -> tuple[int, list[dict[str, Any]]]:
    chosen = ["--device", "cpu", "--size", "tiny", "--out", str(folder), "--only", ",".join(only)]
    code = run.main(chosen)
    return code, json.loads((folder / "gpu.json").read_text())["parts"]


@pytest.mark.soak
def test_every_part_is_sound_or_says_that_it_needs_cuda(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [part.name for part in PARTS if part.name != "processes"]
    code, parts = run_parts(tmp_path, *names)
    said = capsys.readouterr().out
    assert code == 0, said
    assert [part["name"] for part in parts] == names
    kinds = {p["name"]: {finding["kind"] for finding in p["findings"]} for p in parts}
    assert {name for name, found in kinds.items() if found == {"Skipped"}} == ON_CUDA
    assert all(kinds[name] for name in names)
    assert said.count("skipped: needs CUDA") >= len(ON_CUDA)
    assert "all sound" in said.splitlines()[-1]


@pytest.mark.soak
def test_two_processes_give_the_bits_of_one(tmp_path: Path) -> None:
    code, (part,) = run_parts(tmp_path, "processes")
    assert code == 0
    assert len([f for f in part["findings"] if f["kind"] == "Check"]) == 10


def test_what_fails_hides_nothing_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def raises(place: Place) -> Iterator[Finding]:
        yield Check("before", True, "1", "1")
        raise RuntimeError("no such kernel")

    def endless(place: Place) -> Iterator[Finding]:
        time.sleep(60)
        yield Check("never", True, "1", "1")

    def differs(place: Place) -> Iterator[Finding]:
        yield Check("bits", False, "a", "b")

    def holds(place: Place) -> Iterator[Finding]:
        yield Check("after", True, "1", "1")

    parts = (
        Part("raises", 1, raises),
        Part("endless", 0.01, endless),
        Part("differs", 1, differs),
        Part("holds", 1, holds),
    )
    monkeypatch.setattr(run, "PARTS", parts)
    code, found = run_parts(tmp_path, *(part.name for part in parts))
    assert code == 1
    assert [part["sound"] for part in found] == [False, False, False, True]
    assert found[0]["trouble"] == "RuntimeError: no such kernel"
    assert [finding["name"] for finding in found[0]["findings"]] == ["before"]
    assert "broken off" in found[1]["trouble"]
    assert "FAIL bits: a (wanted b)" in capsys.readouterr().out
    assert run_parts(tmp_path, "holds")[0] == 0


class Operations(TorchDispatchMode):
    """Multiplications and additions of all matrix products."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default):
            self.count += 2 * out.numel() * args[-1].shape[0]
        return out


@pytest.mark.parametrize("rank", [2, 16])
@pytest.mark.parametrize("task", [A, B])
def test_a_floors_products_are_those_of_a_step(task: tuple[str, ...], rank: int) -> None:
    config = profiles.main().updated({"patches.dim": 32, "lora.rank": rank, "flow.blocks": 2})
    model = MoLEFlow(config, (8, 8), 0, A)
    for known in (A, B):
        model.new_bank(known)
    model.base.requires_grad_(task == A)
    with Operations() as counted:
        model.log_likelihood(torch.zeros(16, 8, 8, 32), task)[0].sum().backward()
    assert operations(config, 16 * 64, task == A) == pytest.approx(counted.count, rel=0.1)


def test_a_sequence_of_main_is_of_the_size_that_was_counted() -> None:
    """10.6 million multiply-adds a patch forward, 9.3 PFLOP in all: 3,629 pictures, 60 epochs."""
    assert (len(MVTEC), sum(MVTEC)) == (15, 3629)
    config = profiles.main()
    forward = [m * k * n for m, k, n in products(config, 1000, False) if m == 1000]
    assert sum(forward) / 1000 > 10.6e6
    per_patch = operations(config, 1000, False) / 1000
    later, first = sum(MVTEC) - MVTEC[0], MVTEC[0]
    whole = 60 * 784 * (later * per_patch + first * operations(config, 1000, True) / 1000)
    assert whole == pytest.approx(9.3e15, rel=0.15)
    halved = moved_bytes(config.updated({"compute.precision": "bfloat16"}), 12544, False)
    assert 0.5 < halved / moved_bytes(config, 12544, False) < 0.75
