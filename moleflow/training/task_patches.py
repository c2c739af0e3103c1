"""A task's training patches, batch by batch on the device that computes."""

import bisect
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from moleflow.model import Stored
from moleflow.training.footprint import AHEAD
from moleflow.types import Float, Int, Tensor


class TaskPatches(ABC):
    """The training patches of a task's classes, which are numbered through in the task's order."""

    def __init__(self, parts: Sequence[Float[Tensor, "_ h w c"]]):
        """Args:
        parts: stored patches of each class of the task, in its order.
        """
        self._parts = tuple(parts)

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    @abstractmethod
    def batches(self, images: Int[Tensor, " n"], size: int) -> Iterator[Stored]:
        """The images of these numbers in this order, `size` at a time, as they are stored."""


class MappedPatches(TaskPatches):
    """Gathered on the processor, from files that stay mapped."""

    def __init__(self, parts: Sequence[Float[Tensor, "_ h w c"]]):
        super().__init__(parts)
        self._starts = list(itertools.accumulate((len(p) for p in parts[:-1]), initial=0))

    def batches(self, images: Int[Tensor, " n"], size: int) -> Iterator[Stored]:
        yield from map(self.gather, images.split(size))

    def gather(self, images: Int[Tensor, " b"]) -> Stored:
        """The images of these numbers, in this order."""
        if len(self._parts) == 1:
            return self._parts[0][images]
        owners = [bisect.bisect_right(self._starts, i) - 1 for i in images.tolist()]
        return torch.stack(
            [
                self._parts[owner][i - self._starts[owner]]
                for owner, i in zip(owners, images.tolist(), strict=True)
            ]
        )


class ResidentPatches(TaskPatches):
    """All of them on a GPU, sent once."""

    def __init__(self, parts: Sequence[Float[Tensor, "_ h w c"]], device: torch.device):
        super().__init__(parts)
        first = parts[0]
        self._all = first.new_empty((len(self), *first.shape[1:]), device=device)
        start = 0
        for part in parts:  # one by one: all at once would take the room twice
            self._all[start : start + len(part)].copy_(part)
            start += len(part)

    def batches(self, images: Int[Tensor, " n"], size: int) -> Iterator[Stored]:
        if self._all.is_cuda:  # nobody waits for the numbers to arrive
            images = images.pin_memory().to(self._all.device, non_blocking=True)
        for numbers in images.split(size):
            yield self._all.index_select(0, numbers)


class StreamedPatches(MappedPatches):
    """For tasks that do not fit on a GPU: blocks of batches, gathered and sent ahead of their use.

    Two blocks of pinned memory take turns; one is refilled when its copy has arrived.
    """

    def __init__(self, parts: Sequence[Float[Tensor, "_ h w c"]], device: torch.device):
        super().__init__(parts)
        self._device = device
        self._side = torch.cuda.Stream(device)

    def batches(self, images: Int[Tensor, " n"], size: int) -> Iterator[Stored]:
        shape, dtype = self._parts[0].shape[1:], self._parts[0].dtype
        pinned = [torch.empty((AHEAD * size, *shape), dtype=dtype).pin_memory() for _ in range(2)]
        arrived = [torch.cuda.Event() for _ in range(2)]

        def send(numbers: Tensor, turn: int) -> Tensor:
            arrived[turn].synchronize()
            block = pinned[turn][: len(numbers)]
            block.copy_(self.gather(numbers))
            with torch.cuda.stream(self._side):
                sent = block.to(self._device, non_blocking=True)
                arrived[turn].record()
            return sent

        blocks = images.split(AHEAD * size)
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(send, blocks[0], 0)
            for number in range(len(blocks)):
                block = coming.result()
                if number + 1 < len(blocks):
                    coming = ahead.submit(send, blocks[number + 1], (number + 1) % 2)
                torch.cuda.current_stream().wait_stream(self._side)
                block.record_stream(torch.cuda.current_stream())
                yield from block.split(size)


def task_patches(
    parts: Sequence[Float[Tensor, "_ h w c"]], device: torch.device, room: int
) -> TaskPatches:
    """The task's patches, all of them on the device where that takes no more than `room` bytes.

    Batches are the same bytes in any case.
    """
    if device.type == "cpu":
        return MappedPatches(parts)
    if sum(part.numel() * part.element_size() for part in parts) <= room:
        return ResidentPatches(parts, device)
    return StreamedPatches(parts, device)
