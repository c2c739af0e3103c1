"""How much arithmetic a trial's stages take, from settings alone: what predicted seconds grow with.

In multiplications; what else a step does (moving memory, starting kernels) grows with them where it
matters. Imports no torch. Letters as in `moleflow.training.footprint`.
"""

import re

from moleflow.config import Config
from moleflow.training.footprint import bank_parameters, block_layers

STRIDES = {f"layer{n}": 2 ** (n + 1) for n in range(1, 5)}
"""Pixels of the picture per position of a map, of ResNets."""
MOBILE_STRIDES = (2, 4, 8, 16, 16, 32, 32)
"""The same of `blocks.0`, `blocks.1`, … of MobileNets and EfficientNets."""
USUAL_STRIDE, VIT_PATCH = 8, 16
SIDE = re.compile(r"patch(\d+)")


def patches_of_picture(config: Config) -> int:
    """Positions of the grid that a picture is cut into; a guess for models of unknown kinds."""
    stages = config.backbone.stages
    stage = stages[0] if config.patches.grid == "first" else stages[-1]
    return max(1, config.image.size // _stride(config.backbone.name, stage)) ** 2


def training_work(config: Config, *, base_too: bool) -> int:
    """Multiplications of training a task, per picture: all epochs.

    Args:
        base_too: whether the base is trained with the bank.
    """
    held = _products(config)
    # Forward and the gradients of inputs; where weights are trained, the gradients of these too.
    step = (3 if base_too else 2) * held + 3 * bank_parameters(config)
    return config.training.epochs * patches_of_picture(config) * step


def scoring_work(config: Config) -> int:
    """Multiplications of scoring a picture under one bank."""
    return patches_of_picture(config) * (_products(config) + bank_parameters(config))


def _products(config: Config) -> int:
    """Of a patch, once through the base."""
    dim, half = config.patches.dim, config.patches.dim // 2
    block = sum(inputs * outputs for inputs, outputs in block_layers(config))
    block += half * config.flow.context_kernel**2
    total = config.flow.blocks * block + dim * config.mixer.kernel**2
    return total if config.multiscale == "off" else total + dim * config.multiscale.kernel**2


def _stride(model: str, stage: str) -> int:
    if stage in STRIDES:
        return STRIDES[stage]
    if side := SIDE.search(model):
        return int(side[1])
    number = stage.rpartition(".")[2]
    if "vit" in model or "dino" in model or not number.isdigit():
        return VIT_PATCH if "." in stage else USUAL_STRIDE
    return MOBILE_STRIDES[min(int(number), len(MOBILE_STRIDES) - 1)]
