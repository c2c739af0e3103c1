"""Where tasks are trained: one after the other, or several side by side on one GPU.

A step of one task leaves most of a GPU idle, and later tasks do not depend on each other. So each
lane has a stream and captured steps of its own, and lanes are replayed beside each other. A task's
kernels are those that it would run alone, on bytes that no other lane touches: its numbers do not
depend on its company.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from moleflow.data.sequences import Task
from moleflow.device import device_limit
from moleflow.model import MoLEFlow, Stored
from moleflow.training.steps import CapturedSteps, PlainSteps, Steps

MANY, FEW, SMALL = 8, 4, 2**22
"""Lanes where a step's batch has at most so many numbers (patches times channels), and where it has
more. On an H200, eight lanes train 4.1 times as fast as one at the size of `quick`, 3 x 10^5
numbers; at that of `main`, 10^7, four lanes train 1.3 times as fast, and six or eight no faster."""
SPARE = 2.0
"""Memory that must be free for one more lane, as a multiple of what one takes: its own, and that of
the steps before a capture."""


class Lane:
    """One task at a time: a stream of the device, and steps captured on it."""

    def __init__(self, device: torch.device):
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self.later: CapturedSteps | None = None
        """Of later tasks: their graphs serve one after the other."""

    @contextmanager
    def turn(self) -> Generator[None]:
        """What is queued within this block is queued on the lane's stream."""
        with torch.cuda.stream(self.stream):
            yield

    def begin(self) -> None:
        """The lane's work waits for all that was queued before."""
        if self.stream is not None:
            self.stream.wait_stream(torch.cuda.current_stream(self.stream.device))

    def end(self) -> None:
        """What is queued from now on waits for the lane's work."""
        if self.stream is not None:
            torch.cuda.current_stream(self.stream.device).wait_stream(self.stream)


class Bench:
    """All lanes for one model: keeps captured steps from one task to the next."""

    def __init__(self, note: Callable[[str], None] = lambda text: None, at_once: int = 0):
        """Args:
        note: told why steps are not captured on a GPU, or fewer tasks trained at once.
        at_once: most lanes; 0: as many as pay and fit into the device's memory.
        """
        self._note = note
        self._at_once = at_once
        self._lanes: list[Lane] = []
        self._captures = True
        self._taken = 0
        """Bytes of a GPU that a lane takes."""

    def free_lane(self, model: MoLEFlow, busy: Collection[Lane]) -> Lane | None:
        """A lane for one more task; None where it would not pay, or not fit beside the others."""
        if len(busy) >= self._most(model):
            return None
        for lane in self._lanes:
            if lane not in busy:
                return lane
        if busy and not self._fits(model.device):
            return None
        self._lanes.append(Lane(model.device))
        return self._lanes[-1]

    def full(self, busy: Collection[Lane]) -> bool:
        """The device's memory suffices for these lanes and no other; without any, for one.

        Returns:
            Whether there were more, whose memory is free now.
        """
        self._at_once, before = max(1, len(busy)), len(self._lanes)
        self._lanes = list(busy)
        if before <= self._at_once:
            return False
        self._note(f"the GPU's memory suffices for {self._at_once} tasks at once, not for more")
        return True

    def steps(
        self,
        model: MoLEFlow,
        task: Task,
        trained_base: nn.Module | None,
        patches: tuple[Stored, Sequence[int]],
        lane: Lane | None = None,
    ) -> Steps:
        """Steps for a task whose bank the model has.

        Args:
            trained_base: the base, where the task trains it.
            patches: some of the task's, and the numbers of images that its batches have.
            lane: in whose turns the steps will be run; none: the first, with no other beside it.

        Raises:
            torch.OutOfMemoryError: they do not fit beside those of other lanes.
        """
        lane = lane or self.free_lane(model, ())
        if lane is not None and model.device.type == "cuda" and self._captures:
            try:
                return self._captured(lane, model, task, trained_base, patches)
            except RuntimeError as error:
                if isinstance(error, torch.OutOfMemoryError) and len(self._lanes) > 1:
                    raise
                self._refuse(str(error).splitlines()[0])
        return PlainSteps(model, model.base_of(task), model.banks[task], trained_base)

    def _captured(
        self,
        lane: Lane,
        model: MoLEFlow,
        task: Task,
        trained_base: nn.Module | None,
        patches: tuple[Stored, Sequence[int]],
    ) -> CapturedSteps:
        base, whole = model.base_of(task), len(model.banks) == 1 or model.config.separate
        if model.config.compute.compile:
            raise RuntimeError("compute.compile is on")
        if lane.later is not None and not whole:
            lane.later.capture(*patches)
            return lane.later
        torch.cuda.empty_cache()
        before = torch.cuda.memory_reserved(model.device)
        # Where it is whole, its base is its own, and so are the graphs.
        bank = model.banks[task] if whole else model.fresh_bank(task)
        steps = CapturedSteps(model, base, bank, trained_base, lane.stream)
        steps.capture(*patches)
        self._taken = max(self._taken, torch.cuda.memory_reserved(model.device) - before)
        lane.later = lane.later if whole else steps
        return steps

    def _most(self, model: MoLEFlow) -> int:
        if self._at_once:
            return self._at_once
        if model.device.type == "cpu" or not self._captures or model.config.compute.compile:
            return 1
        return most_at_once(model)

    def _fits(self, device: torch.device) -> bool:
        if device.type == "cpu":
            return True
        free = device_limit(device) - torch.cuda.memory_reserved(device)
        return free >= SPARE * self._taken

    def _refuse(self, why: str) -> None:
        self._captures = False
        for lane in self._lanes:
            lane.later = None
        self._note(f"training steps are not captured as CUDA graphs, and slower: {why}")


def most_at_once(model: MoLEFlow) -> int:
    """Lanes that pay on a GPU, by the size of a step."""
    height, width = model.grid
    config = model.config
    numbers = config.training.batch_size * height * width * config.patches.dim
    return MANY if numbers <= SMALL else FEW


def independent(model: MoLEFlow) -> bool:
    """Whether tasks after the first depend on nothing that another one trains."""
    config = model.config
    return config.freeze_base and not config.separate and config.seeding == "by_class"
