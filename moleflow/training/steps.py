"""Steps of one task's training: run one kernel at a time, or captured once and replayed whole."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import nn

from moleflow.flow.base import Base
from moleflow.kernels import launch
from moleflow.model import MoLEFlow, Stored
from moleflow.tasks.bank import Bank
from moleflow.training.losses import tail_aware_loss
from moleflow.training.optimizer import build_optimizer
from moleflow.training.step_numbers import StepNumbers
from moleflow.types import Tensor


class Steps(ABC):
    """Steps that train a bank, and its base where that is trained too."""

    def __init__(self, model: MoLEFlow, base: Base, bank: Bank, trained_base: nn.Module | None):
        self._device = model.device
        self._bank = bank
        self._loss_of = _loss_of(model, base, bank)
        self.optimizer = build_optimizer(model.config.training, bank, trained_base)
        self.progress = StepNumbers(model.device)

    def begin(self, bank: Bank) -> None:
        """Train this bank from now on, from its present state."""
        _copy(bank, self._bank)
        self.optimizer.reset()
        self.progress.begin_task()

    @abstractmethod
    def run(self, stored: Stored) -> None:
        """One step on a batch."""

    def end(self, bank: Bank) -> None:
        """Leave the bank as the steps made it, and give memory back."""
        _copy(self._bank, bank)
        self.optimizer.zero_grad()

    def _step(self, stored: Stored) -> None:
        self.optimizer.zero_grad()
        loss = self._loss_of(stored.to(self._device, torch.float32))
        loss.backward()
        norm = self.optimizer.clip()
        self.progress.see(loss.detach(), norm, len(stored))
        self.optimizer.step(self.progress.keep_on)


class PlainSteps(Steps):
    """One kernel after another."""

    def run(self, stored: Stored) -> None:
        self._step(stored)


class CapturedSteps(Steps):
    """A CUDA graph per batch size, replayed as one: a thousand launches become one.

    A graph knows addresses, not modules. So these steps may train a bank of their own, whose bytes
    are exchanged with those of a task's bank; tasks of equal shapes then share the graphs.

    What products need besides their factors and results belongs to the stream that they were
    captured on. So steps that are replayed side by side must be captured each on a stream of
    their own, or they would write into each other's sums.
    """

    def __init__(
        self,
        model: MoLEFlow,
        base: Base,
        bank: Bank,
        trained_base: nn.Module | None,
        stream: torch.cuda.Stream | None = None,
    ):
        """Args:
        stream: to capture on; none: a new one.
        """
        super().__init__(model, base, bank, trained_base)
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, Stored]] = {}
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = stream or torch.cuda.Stream(self._device)

    def capture(self, like: Stored, sizes: Sequence[int]) -> None:
        """Make graphs for batches of these numbers of images, where there are none yet.

        Args:
            like: some of the patches, for shape and number format.

        Raises:
            RuntimeError: something in the step cannot be captured.
        """
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            before = [parameter.detach().clone() for parameter in self.optimizer.parameters]
            try:
                for size in sizes:
                    if size not in self._graphs:
                        batch = like.new_zeros((size, *like.shape[1:]), device=self._device)
                        self._graphs[size] = self._captured(batch), batch
            finally:
                with torch.no_grad():
                    for parameter, kept in zip(self.optimizer.parameters, before, strict=True):
                        parameter.copy_(kept)
        torch.cuda.current_stream().wait_stream(self._stream)

    def run(self, stored: Stored) -> None:
        graph, batch = self._graphs[len(stored)]
        batch.copy_(stored)
        graph.replay()

    def _captured(self, batch: Stored) -> torch.cuda.CUDAGraph:
        if not self._graphs:
            with launch.compiling_ahead():
                self._step(batch)
        self._step(batch)
        if all(size < len(batch) for size in self._graphs):
            # Graphs have memory of their own, and what that step left cannot be given back while
            # one is captured. This waits for the device; smaller graphs find room in the largest's.
            torch.cuda.empty_cache()
        graph = torch.cuda.CUDAGraph()
        # Not `with torch.cuda.graph(...)`, which waits each time until the device is idle.
        # Other threads (leases, samples of memory) go on asking the driver meanwhile.
        graph.capture_begin(self._pool, capture_error_mode="thread_local")
        try:
            self._step(batch)
        finally:
            graph.capture_end()
        self.optimizer.zero_grad()
        return graph


def _copy(source: nn.Module, target: nn.Module) -> None:
    if source is not target:
        target.load_state_dict(source.state_dict())


def _loss_of(model: MoLEFlow, base: Base, bank: Bank) -> Callable[[Stored], Tensor]:
    """A batch's loss, compiled where the config asks for it."""

    def loss(stored: Stored) -> Tensor:
        log_p, logdet = model.log_likelihood_by(stored, base, bank)
        return tail_aware_loss(-log_p, logdet, model.config.loss) + bank.penalty()

    if not model.config.compute.compile:
        return loss
    if torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(True)  # now the compiler is told too
    return torch.compile(loss, dynamic=False)
