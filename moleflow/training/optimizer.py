"""Optimizer and learning-rate schedule of one task (docs/method.md, 6.3)."""

import math

from torch import nn

from moleflow.config_parts import TrainingConfig
from moleflow.tasks.bank import Bank
from moleflow.training.adam import AdamP, AdamW, Group


def build_optimizer(config: TrainingConfig, bank: Bank, base: nn.Module | None) -> AdamW:
    """An optimizer of the bank's parameters, and of the base's where it is trained too."""
    dia = list(bank.dia.parameters())
    known = {id(parameter) for parameter in dia}
    rest = [p for p in bank.parameters() if id(p) not in known]
    if base is not None:
        rest += list(base.parameters())
    groups = [Group(tuple(rest), 1.0), Group(tuple(dia), config.dia_lr)]
    kind = AdamW if config.optimizer == "adamw" else AdamP
    return kind([g for g in groups if g.parameters], config.weight_decay, config.clip_norm)


def learning_rate(config: TrainingConfig, epoch: int, warm_up: bool) -> float:
    """Learning rate of an epoch (from 0): cosine from lr to lr * eta_min_ratio over all epochs.

    Where asked, epoch e of w warm-up epochs is scaled by (e + 1) / (w + 1): later tasks warm up.
    """
    lowest = config.eta_min_ratio
    cosine = lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * epoch / config.epochs))
    warmup = config.warmup_epochs if warm_up else 0
    ramp = min(1.0, (epoch + 1) / (warmup + 1))
    return config.lr * cosine * ramp
