"""What training takes here: a few steps on random patches, of the shape that a config makes."""

import math

import torch

from moleflow.config import Config
from moleflow.model import MoLEFlow
from moleflow.streams import torch_stream
from moleflow.training.train import train_tasks
from moleflow.training.work import patches_of_picture

EPOCHS = 3
"""The first warms up and does not count."""


def seconds_of_training(config: Config, device: torch.device) -> tuple[float, float]:
    """Seconds per picture and epoch: of task 0 with its base, and of a later task. Without
    multi-scale context."""
    side = math.isqrt(patches_of_picture(config))
    few = {"training.epochs": EPOCHS, "training.warmup_epochs": 1, "multiscale": "off"}
    short = config.updated(few | {"compute.compile": False})
    pictures = config.training.batch_size
    model = MoLEFlow(short, (side, side), 0, ("first",), 0).to(device)
    found: list[float] = []
    for task in (("first",), ("later",)):
        draws = torch_stream("probe", task)
        patches = torch.randn(pictures, side, side, config.patches.dim, generator=draws)
        ends = [end for _, end in train_tasks(model, [(task, [patches.half()])])]
        found.append(min(end.seconds for end in ends[1:]) / pictures)
    return found[0], found[1]
