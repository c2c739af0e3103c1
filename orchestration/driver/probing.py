"""How fast this machine trains, where no trial tells yet: a few steps, in a process of its own."""

import json

from moleflow.config import Config
from moleflow.errors import DeviceError
from moleflow.settings import parse
from orchestration.cluster.asking import ask
from orchestration.studies.terms import Resources
from orchestration.views.rates import Measured, Rates, measured_rates, task_of

LONGEST = 300.0
"""Seconds that a probe may take."""


def probed_rates(config: Config, resources: Resources, table: Rates) -> Rates:
    """Training as a probe measured it, all else as the table says.

    Raises:
        DeviceError: the probe did not end well, e.g. there is no GPU here.
    """
    device = "cuda" if resources.gpus_per_trial and resources.device != "cpu" else "cpu"
    try:
        told = ask(look, config.model_dump_json(), device, resources.threads, patience=LONGEST)
    except DeviceError as error:
        raise DeviceError(f"--probe: a few steps cannot be trained here: {error}") from None
    found: list[Measured] = []
    for base_too, seconds in zip((True, False), json.loads(told), strict=True):
        setting, work = task_of(config, base_too)
        kind = "base" if base_too else "adapter"
        found.append(Measured(kind, setting, work, seconds * config.training.epochs))
    basis = "a probe of a few steps on this machine; features and evaluation from a table"
    return measured_rates(found, basis, table)


def look(config: str, device: str, threads: int) -> tuple[float, float]:
    """`seconds_of_training`. Imports torch.

    Args:
        config: as JSON.
    """
    import torch

    from moleflow.device import prepare
    from moleflow.training.probe import seconds_of_training

    return seconds_of_training(
        parse(Config, json.loads(config)), prepare(torch.device(device), threads)
    )
