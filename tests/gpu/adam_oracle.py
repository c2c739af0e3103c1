"""The optimizers' parameters after many steps, against the packages' own."""

import torch
from torch import nn

from moleflow.training.adam import AdamP, AdamW, Group
from moleflow.types import Tensor

SHAPES = (
    (4, 24),
    (4, 24),
    (24, 4),
    (12, 12),
    (24,),
    (24,),
    (6, 1, 3, 3),
    (1, 8),
    (),
    (2, 1030),
    (270, 3),
)
CASES = ("projected by row", "projected as a whole", "not projected")
RATE, MULTIPLE, DECAY, CLIP = 1e-3, 0.5, 0.1, 0.05


def gradients(parameters: list[nn.Parameter], case: str, draws: torch.Generator) -> list[Tensor]:
    """Random ones: orthogonal to each row, to the whole (but along its rows), or along it."""
    return [_gradient(p.detach(), case, draws) for p in parameters]


def _gradient(p: Tensor, case: str, draws: torch.Generator) -> Tensor:
    drawn = torch.randn(p.shape, generator=draws, dtype=torch.float64).to(p.device)
    if p.dim() < 2:
        return (0.01 * drawn).to(p.dtype)
    rows, noise = p.double().flatten(1), drawn.flatten(1)
    along = (noise * rows).sum(1, keepdim=True) / rows.square().sum(1, keepdim=True)
    across = noise - along * rows
    if case == "projected by row" or (case == "projected as a whole" and len(rows) == 1):
        found = across
    elif case == "projected as a whole":
        # Along every row, up and down in turn: as a whole the parts cancel.
        signs = rows.new_ones(len(rows), 1)
        signs[1::2] = -1
        shares = signs / rows.square().sum(1, keepdim=True)
        if len(rows) % 2:
            shares[-1] = 0
        found = shares * rows + 0.001 * across
    else:
        found = rows + 0.1 * across
    return (0.01 * found).view(p.shape).to(p.dtype)


def difference(device: torch.device, dtype: torch.dtype, case: str, steps: int) -> float:
    """Largest difference of a parameter from adamp's, relative to the largest of its tensor."""
    from adamp import AdamP as Reference

    ours, theirs = new_parameters(device, dtype), new_parameters(device, dtype)
    groups = [{"params": theirs[:5]}, {"params": theirs[5:], "lr": RATE * MULTIPLE}]
    reference = Reference(groups, lr=RATE, weight_decay=DECAY, delta=0.1, wd_ratio=0.1)
    optimizer = AdamP([Group(tuple(ours[:5]), 1.0), Group(tuple(ours[5:]), MULTIPLE)], DECAY, CLIP)
    return _run(ours, theirs, optimizer, reference, case, steps)


def adamw_difference(dtype: torch.dtype, steps: int) -> float:
    """As `difference`, of AdamW from torch's."""
    device = torch.device("cpu")
    ours, theirs = new_parameters(device, dtype), new_parameters(device, dtype)
    groups = [{"params": theirs[:5]}, {"params": theirs[5:], "lr": RATE * MULTIPLE}]
    reference = torch.optim.AdamW(groups, lr=RATE, weight_decay=DECAY)
    optimizer = AdamW([Group(tuple(ours[:5]), 1.0), Group(tuple(ours[5:]), MULTIPLE)], DECAY, CLIP)
    return _run(ours, theirs, optimizer, reference, "not projected", steps)


def _run(
    ours: list[nn.Parameter],
    theirs: list[nn.Parameter],
    optimizer: AdamW,
    reference: torch.optim.Optimizer,
    case: str,
    steps: int,
) -> float:
    draws = torch.Generator().manual_seed(5)
    keep_on = torch.tensor(True, device=ours[0].device)
    optimizer.set_rate(RATE)
    for step in range(steps):
        strength = 10.0 if step % 3 == 0 else 0.1  # clipped, and not
        for one, other, g in zip(ours, theirs, gradients(theirs, case, draws), strict=True):
            one.grad, other.grad = strength * g, strength * g
        nn.utils.clip_grad_norm_(theirs, CLIP)
        reference.step()
        optimizer.clip()
        optimizer.step(keep_on)
    pairs = zip(ours, theirs, strict=True)
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in pairs)


def new_parameters(device: torch.device, dtype: torch.dtype) -> list[nn.Parameter]:
    """Of all the shapes that the model has."""
    draws = torch.Generator().manual_seed(4)
    drawn = [torch.randn(s, generator=draws, dtype=torch.float64) for s in SHAPES]
    return [nn.Parameter(t.to(device, dtype)) for t in drawn]
