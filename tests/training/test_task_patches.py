"""Batches are the pictures of their numbers, wherever patches lie."""

import pytest
import torch

from moleflow.training import task_patches as module
from moleflow.training.task_patches import (
    MappedPatches,
    ResidentPatches,
    StreamedPatches,
    TaskPatches,
    task_patches,
)

CPU = torch.device("cpu")
SIZES = (3, 1, 5)


def parts() -> list[torch.Tensor]:
    draws = torch.Generator().manual_seed(0)
    return [torch.randn(size, 2, 2, 4, generator=draws).half() for size in SIZES]


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("kind", ["mapped", "resident"])
def test_batches_are_the_pictures_of_their_numbers(kind: str, classes: int) -> None:
    given = parts()[:classes]
    whole = torch.cat(given)
    patches: TaskPatches = MappedPatches(given) if kind == "mapped" else ResidentPatches(given, CPU)
    assert len(patches) == len(whole)
    order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(1))
    batches = list(patches.batches(order, 2))
    assert [len(batch) for batch in batches] == [len(part) for part in order.split(2)]
    assert torch.equal(torch.cat(batches), whole[order])
    assert batches[0].dtype == torch.float16


class Named(MappedPatches):
    """Stands for patches on a GPU."""

    def __init__(self, parts: list[torch.Tensor], name: str):
        super().__init__(parts)
        self._name = name

    def __str__(self) -> str:
        return self._name


def test_patches_go_to_a_gpu_where_there_is_room_and_else_in_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("ResidentPatches", "StreamedPatches"):
        monkeypatch.setattr(module, name, lambda parts, device, name=name: Named(parts, name))
    size = sum(SIZES) * 2 * 2 * 4 * 2
    gpu = torch.device("cuda")
    assert str(task_patches(parts(), gpu, size)) == "ResidentPatches"
    assert str(task_patches(parts(), gpu, size - 1)) == "StreamedPatches"
    assert isinstance(task_patches(parts(), CPU, size), MappedPatches)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_streamed_batches_are_the_pictures_of_their_numbers() -> None:
    given = parts()
    patches = StreamedPatches(given, torch.device("cuda"))
    order = torch.arange(len(patches)).repeat(40)
    found = torch.cat([batch.cpu() for batch in patches.batches(order, 2)])
    assert torch.equal(found, torch.cat(given)[order])
