"""What training steps leave on the device, so that no step waits for its numbers to be read."""

from dataclasses import dataclass

import torch

from moleflow.types import Float, Tensor

STEPS, TOTAL, LARGEST, BAD_STEP, BAD_LOSS, BAD_NORM = range(6)


@dataclass(frozen=True)
class BadStep:
    """The first step whose loss or gradient was not finite."""

    step: int
    """From 1, in its epoch."""
    loss: float
    grad_norm: float


@dataclass(frozen=True)
class EpochNumbers:
    """Numbers of the steps since the last `begin_epoch`."""

    total: float
    """Sum over the images of their batches' losses."""
    grad_norm: float
    """Largest norm before clipping."""
    bad: BadStep | None


class StepNumbers:
    """Counts steps, and says whether to go on: not after a loss or gradient that is not finite."""

    def __init__(self, device: torch.device):
        self.keep_on = torch.ones((), dtype=torch.bool, device=device)
        self._numbers = torch.zeros(6, dtype=torch.float64, device=device)
        waits = device.type == "cuda"
        self._here = torch.zeros(6, dtype=torch.float64, pin_memory=waits)
        self._arrived = torch.cuda.Event() if waits else None
        self._sent = False

    def begin_task(self) -> None:
        """Forget what came before."""
        self.keep_on.fill_(True)
        self._numbers.zero_()

    def begin_epoch(self) -> None:
        """Count anew; a bad step is kept."""
        self._numbers[:BAD_STEP].zero_()

    @torch.no_grad()
    def see(self, loss: Float[Tensor, ""], grad_norm: Float[Tensor, ""], images: int) -> None:
        """A step's numbers, before its parameters move."""
        numbers = self._numbers
        seen = torch.stack([loss.double(), grad_norm.double()])
        finite = seen.isfinite().all()
        first_bad = self.keep_on & ~finite
        self.keep_on.logical_and_(finite)
        numbers[STEPS].add_(1)
        counted = torch.where(finite, seen, 0.0)
        numbers[TOTAL].add_(counted[0], alpha=images)
        numbers[LARGEST].copy_(torch.maximum(numbers[LARGEST], counted[1]))
        bad = torch.cat([numbers[STEPS : STEPS + 1], seen])
        numbers[BAD_STEP:].copy_(torch.where(first_bad, bad, numbers[BAD_STEP:]))

    def send(self) -> None:
        """Have the numbers of all steps queued sent here, and wait for nothing."""
        self._here.copy_(self._numbers, non_blocking=True)
        self._sent = True
        if self._arrived is not None:
            self._arrived.record()

    @property
    def arrived(self) -> bool:
        """Whether what was sent is here."""
        return self._arrived is None or self._arrived.query()

    def read(self) -> EpochNumbers:
        """Wait for what was sent, or else for all steps queued, and read what they left."""
        if not self._sent:
            self.send()
        self.wait()
        self._sent = False
        numbers = self._here.tolist()
        bad = None
        if numbers[BAD_STEP]:
            bad = BadStep(int(numbers[BAD_STEP]), numbers[BAD_LOSS], numbers[BAD_NORM])
        return EpochNumbers(numbers[TOTAL], numbers[LARGEST], bad)

    def wait(self) -> None:
        """Until what was sent is here; other threads go on meanwhile."""
        if self._arrived is not None:
            self._arrived.synchronize()
