"""Optimizer and learning-rate schedule of one task (METHOD 6)."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from adamp import AdamP
from torch import nn

from moleflow.config import TrainingConfig
from moleflow.tasks.bank import Bank

BETAS, EPSILON = (0.9, 0.999), 1e-8
DELTA, WD_RATIO = 0.1, 0.1


def build_optimizer(
    config: TrainingConfig, bank: Bank, base: nn.Module | None
) -> torch.optim.Optimizer:
    """An optimizer of the bank's parameters, and of the base's where it is trained too.

    A group's `multiple` is its learning rate as a multiple of the schedule's.
    """
    dia = list(bank.dia.parameters())
    known = {id(parameter) for parameter in dia}
    rest = [p for p in bank.parameters() if id(p) not in known]
    if base is not None:
        rest += list(base.parameters())
    groups = [
        {"params": rest, "lr": config.lr, "multiple": 1.0},
        {"params": dia, "lr": config.lr * config.dia_lr, "multiple": config.dia_lr},
    ]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, betas=BETAS, eps=EPSILON, weight_decay=config.weight_decay)
    return AdamP(
        groups,
        betas=BETAS,
        eps=EPSILON,
        # AdamP's type is inferred from its default, 0.
        weight_decay=config.weight_decay,  # pyright: ignore[reportArgumentType]
        delta=DELTA,
        wd_ratio=WD_RATIO,
    )


def learning_rate(config: TrainingConfig, epoch: int, warm_up: bool) -> float:
    """Learning rate of an epoch (from 0): cosine from lr to lr * eta_min_ratio over all epochs.

    Where asked, epoch e of w warm-up epochs is scaled by (e + 1) / (w + 1): later tasks warm up.
    """
    lowest = config.eta_min_ratio
    cosine = lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * epoch / config.epochs))
    warmup = config.warmup_epochs if warm_up else 0
    ramp = min(1.0, (epoch + 1) / (warmup + 1))
    return config.lr * cosine * ramp


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Apply the schedule's rate to every group."""
    groups: Iterable[dict[str, Any]] = optimizer.param_groups
    for group in groups:
        group["lr"] = rate * group["multiple"]
