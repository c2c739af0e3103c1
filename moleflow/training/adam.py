"""Adam's family in multi-tensor form: all parameters as one vector, and nothing waits for a device.

No value is read back, so that a step can be queued, or captured as a CUDA graph, whole. Cells are
runs of the vector: tensors of one shape and one learning rate, as K matrices of R rows, C columns.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import nn

from moleflow.kernels import launch
from moleflow.types import Bool, Float, Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
DELTA, DECAY_RATIO = 0.1, 0.1
"""Of AdamP: how nearly orthogonal counts as scale-invariant, and what is left of its decay."""
CONSTANTS = launch.AdamConstants(BETA1, BETA2, EPSILON, DELTA, DECAY_RATIO)
NORM_EPSILON = 1e-6
"""Added to the norm that gradients are divided by, as in `torch.nn.utils.clip_grad_norm_`."""


@dataclass(frozen=True)
class Group:
    """Parameters of one learning rate."""

    parameters: tuple[nn.Parameter, ...]
    multiple: float
    """Their learning rate, as a multiple of the schedule's."""


@dataclass(frozen=True)
class Cell:
    """Part of the vector."""

    start: int
    stop: int
    shape: tuple[int, int, int] | None
    """K, R, C of matrices; None for tensors of at most one dimension."""
    group: int


Share = Float[Tensor, "k 1 1"] | float
"""Of the weight decay, matrix by matrix or of a whole cell."""


class AdamW:
    """Adam with decoupled weight decay and clipped gradients (Loshchilov and Hutter, ICLR 2019)."""

    def __init__(self, groups: Sequence[Group], weight_decay: float, clip_norm: float):
        self.groups = tuple(groups)
        self._weight_decay = weight_decay
        self._clip_norm = clip_norm
        self._parameters, self._cells = _arranged(self.groups)
        device, dtype = self._parameters[0].device, self._parameters[0].dtype
        self._sizes = [sum(p.numel() for p in group.parameters) for group in self.groups]
        self._cell_sizes = [cell.stop - cell.start for cell in self._cells]
        size = sum(self._sizes)
        self._gradient = torch.zeros(size, device=device, dtype=dtype)
        self._mean = torch.zeros(size, device=device, dtype=dtype)
        self._square = torch.zeros(size, device=device, dtype=dtype)
        scalar = {"device": device, "dtype": torch.float64}
        self._steps = torch.zeros((), **scalar)
        self._rates = torch.zeros(len(self.groups), **scalar)
        self._betas = torch.tensor([BETA1, BETA2], **scalar)

    @property
    def parameters(self) -> tuple[nn.Parameter, ...]:
        """All of them, in the order of the vector."""
        return self._parameters

    def reset(self) -> None:
        """Forget all gradients seen."""
        for state in (self._mean, self._square, self._steps):
            state.zero_()

    def set_rate(self, rate: float) -> None:
        """Learning rate of the steps to come; each group takes its multiple."""
        for number, group in enumerate(self.groups):
            self._rates[number].fill_(rate * group.multiple)

    def zero_grad(self) -> None:
        """Give the gradients' memory back."""
        for parameter in self._parameters:
            parameter.grad = None

    def clip(self) -> Float[Tensor, ""]:
        """Take the parameters' gradients, scaled down to the largest norm allowed.

        Returns:
            Their norm before.
        """
        parts = [
            p.new_zeros(p.numel()) if p.grad is None else p.grad.reshape(-1)
            for p in self._parameters
        ]
        torch.cat(parts, out=self._gradient)
        norm = torch.linalg.vector_norm(self._gradient)
        self._gradient.mul_((self._clip_norm / (norm + NORM_EPSILON)).clamp_max(1.0))
        return norm

    @torch.no_grad()
    def step(self, keep_on: Bool[Tensor, ""]) -> None:
        """Move all parameters by the gradients taken, or none of them where `keep_on` is false."""
        old = torch.cat([parameter.reshape(-1) for parameter in self._parameters])
        new = (self._by_kernels if launch.usable(old) else self._by_torch)(old, keep_on)
        parts = new.split([parameter.numel() for parameter in self._parameters])
        moved = [part.view_as(p) for part, p in zip(parts, self._parameters, strict=True)]
        torch._foreach_copy_(self._parameters, moved)  # pyright: ignore[reportPrivateImportUsage]

    def _by_torch(self, old: Float[Tensor, " n"], keep_on: Bool[Tensor, ""]) -> Tensor:
        direction, correction = self._direction()
        new = old.clone()
        decays = (self._rates * self._weight_decay).unbind()
        vectors = (new, self._gradient, direction)
        parts = zip(*(vector.split(self._cell_sizes) for vector in vectors), strict=True)
        for cell, (weights, gradient, change) in zip(self._cells, parts, strict=True):
            share = self._project(cell, weights, gradient, change)
            shaped = weights if cell.shape is None else weights.view(cell.shape)
            shaped.mul_(1 - decays[cell.group] * share)
        paces = (self._rates / correction).unbind()
        moved = zip(new.split(self._sizes), direction.split(self._sizes), paces, strict=True)
        for weights, change, pace in moved:
            weights.sub_(change.mul_(pace))
        return torch.where(keep_on, new, old)

    def _by_kernels(self, old: Float[Tensor, " n"], keep_on: Bool[Tensor, ""]) -> Tensor:
        """The same in few kernels, in other roundings; changes `old`."""
        self._steps.add_(1)
        corrections = 1 - self._betas**self._steps
        state = launch.AdamState(
            old, self._gradient, self._mean, self._square, corrections, keep_on, self._weight_decay
        )
        for cell in self._cells:
            self._launch(state, cell)
        return old

    def _launch(self, state: launch.AdamState, cell: Cell) -> None:
        """Move a cell by a kernel."""
        rate = self._rates[cell.group]
        launch.adam_step(state, CONSTANTS, rate, cell.start, cell.stop - cell.start)

    def _direction(self) -> tuple[Float[Tensor, " n"], Float[Tensor, ""]]:
        """Mean over root of mean square of the gradients, and the mean's own correction."""
        self._steps.add_(1)
        self._mean.mul_(BETA1).add_(self._gradient, alpha=1 - BETA1)
        self._square.mul_(BETA2).addcmul_(self._gradient, self._gradient, value=1 - BETA2)
        scale = (1 - BETA2**self._steps).sqrt()
        return self._mean / (self._square.sqrt() / scale).add_(EPSILON), 1 - BETA1**self._steps

    def _project(self, cell: Cell, weights: Tensor, gradient: Tensor, change: Tensor) -> Share:
        """Take out of a cell's `change` what its tensors do not move along.

        Returns:
            Share of the weight decay that they get.
        """
        return 1.0


class AdamP(AdamW):
    """AdamW that does not let the norm of scale-invariant weights grow (Heo et al., ICLR 2021).

    Where a matrix is nearly orthogonal to its gradient, row by row or else as a whole, its step
    loses the part along the weights, and it decays less.
    """

    def _launch(self, state: launch.AdamState, cell: Cell) -> None:
        if cell.shape is None:
            super()._launch(state, cell)
        else:
            launch.adamp_step(state, CONSTANTS, self._rates[cell.group], cell.start, cell.shape)

    def _project(self, cell: Cell, weights: Tensor, gradient: Tensor, change: Tensor) -> Share:
        if cell.shape is None:
            return 1.0
        _, rows, columns = cell.shape
        p, g, d = (vector.view(cell.shape) for vector in (weights, gradient, change))
        dots = (g * p).sum(dim=-1)
        p_norms, g_norms = (torch.linalg.vector_norm(t, dim=-1) for t in (p, g))
        p_whole, g_whole = (n.norm(dim=-1, keepdim=True) for n in (p_norms, g_norms))
        nearest = _cosines(dots, p_norms, g_norms).amax(dim=-1, keepdim=True)
        whole = _cosines(dots.sum(dim=-1, keepdim=True), p_whole, g_whole)
        by_row = nearest < DELTA / math.sqrt(columns)
        projected = by_row | (whole < DELTA / math.sqrt(rows * columns))
        unit = p / (torch.where(by_row, p_norms, p_whole) + EPSILON).unsqueeze(-1)
        along = (unit * d).sum(dim=-1)
        along = torch.where(by_row, along, along.sum(dim=-1, keepdim=True)) * projected
        d.sub_(unit * along.unsqueeze(-1))
        return (1 - (1 - DECAY_RATIO) * projected.to(p.dtype)).unsqueeze(-1)


def _cosines(dots: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """|cos| of vectors from their dot products and norms."""
    return dots.abs() / (one.clamp_min(EPSILON) * other.clamp_min(EPSILON))


def _arranged(groups: Sequence[Group]) -> tuple[tuple[nn.Parameter, ...], tuple[Cell, ...]]:
    """All parameters so that those of one cell are neighbours, and the cells."""
    placed = [(kind, _matrix(p), p) for kind, group in enumerate(groups) for p in group.parameters]
    placed.sort(key=lambda item: (item[0], item[1] or (0, 0)))
    cells, start = list[Cell](), 0
    for (group, matrix), run in groupby(placed, key=lambda item: item[:2]):
        sizes = [parameter.numel() for _, _, parameter in run]
        shape = None if matrix is None else (len(sizes), *matrix)
        cells.append(Cell(start, start + sum(sizes), shape, group))
        start += sum(sizes)
    return tuple(parameter for _, _, parameter in placed), tuple(cells)


def _matrix(parameter: Tensor) -> tuple[int, int] | None:
    """Rows and columns, the first dimension and all others; None for at most one dimension."""
    if parameter.dim() < 2:
        return None
    return parameter.shape[0], parameter.numel() // parameter.shape[0]
