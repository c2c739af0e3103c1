"""Steps of one task's training: run one kernel at a time, or captured once and replayed whole."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import nn

from moleflow.data.sequences import Task
from moleflow.flow.base import Base
from moleflow.model import MoLEFlow, Stored
from moleflow.tasks.bank import Bank
from moleflow.training.losses import tail_aware_loss
from moleflow.training.optimizer import build_optimizer
from moleflow.training.progress import Progress
from moleflow.types import Tensor

WARM_UPS = 3
"""Steps before one is captured: kernels are compiled and chosen, and memory is found."""


class Steps(ABC):
    """Steps that train a bank, and its base where that is trained too."""

    def __init__(self, model: MoLEFlow, base: Base, bank: Bank, trained_base: nn.Module | None):
        self._device = model.device
        self._bank = bank
        self._loss_of = _loss_of(model, base, bank)
        self.optimizer = build_optimizer(model.config.training, bank, trained_base)
        self.progress = Progress(model.device)

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
    """

    def __init__(self, model: MoLEFlow, base: Base, bank: Bank, trained_base: nn.Module | None):
        super().__init__(model, base, bank, trained_base)
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, Stored]] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def capture(self, like: Stored, sizes: Sequence[int]) -> None:
        """Make graphs for batches of these numbers of images, where there are none yet.

        Args:
            like: some of the patches, for shape and number format.

        Raises:
            RuntimeError: something in the step cannot be captured.
        """
        before = [parameter.detach().clone() for parameter in self.optimizer.parameters]
        for size in sizes:
            if size not in self._graphs:
                batch = like.new_zeros((size, *like.shape[1:]), device=self._device)
                self._graphs[size] = self._captured(batch), batch
        with torch.no_grad():
            for parameter, kept in zip(self.optimizer.parameters, before, strict=True):
                parameter.copy_(kept)

    def run(self, stored: Stored) -> None:
        graph, batch = self._graphs[len(stored)]
        batch.copy_(stored)
        graph.replay()

    def _captured(self, batch: Stored) -> torch.cuda.CUDAGraph:
        side = torch.cuda.Stream(self._device)
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                self._step(batch)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # Other threads (leases, samples of memory) go on asking the driver meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            self._step(batch)
        self.optimizer.zero_grad()
        return graph


class Bench:
    """Where a model's tasks are trained: keeps captured steps from one task to the next."""

    def __init__(self, note: Callable[[str], None] = lambda text: None):
        """Args:
        note: told why steps are not captured on a GPU.
        """
        self._note = note
        self._later: CapturedSteps | None = None
        self._captures = True

    def steps(
        self,
        model: MoLEFlow,
        task: Task,
        trained_base: nn.Module | None,
        patches: tuple[Stored, Sequence[int]],
    ) -> Steps:
        """Steps for a task whose bank the model has.

        Args:
            trained_base: the base, where the task trains it.
            patches: some of the task's, and the numbers of images that its batches have.
        """
        base, bank = model.base_of(task), model.banks[task]
        if model.device.type == "cuda" and self._captures:
            try:
                return self._captured(model, task, trained_base, patches)
            except RuntimeError as error:
                self._refuse(str(error).splitlines()[0])
        return PlainSteps(model, base, bank, trained_base)

    def _captured(
        self,
        model: MoLEFlow,
        task: Task,
        trained_base: nn.Module | None,
        patches: tuple[Stored, Sequence[int]],
    ) -> Steps:
        base, whole = model.base_of(task), len(model.banks) == 1 or model.config.separate
        if model.config.compute.compile:
            raise RuntimeError("compute.compile is on")
        if whole:  # its base is its own, and so are the graphs
            steps = CapturedSteps(model, base, model.banks[task], trained_base)
        else:
            own = self._later
            steps = own or CapturedSteps(model, base, model.fresh_bank(task), trained_base)
            self._later = steps
        steps.capture(*patches)
        return steps

    def _refuse(self, why: str) -> None:
        self._captures, self._later = False, None
        self._note(f"training steps are not captured as CUDA graphs, and slower: {why}")


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
