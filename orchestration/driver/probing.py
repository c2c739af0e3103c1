"""How fast this machine trains, where no trial tells yet: a few steps, in a process of its own."""

import json
import subprocess
import sys

from moleflow.config import Config
from moleflow.errors import DeviceError
from moleflow.settings import parse
from orchestration.studies.terms import Resources
from orchestration.views.rates import Measured, Rates, measured_rates, task_of

LONGEST = 300.0
"""Seconds that a probe may take."""
ASK = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from orchestration.driver.probing import look
print(json.dumps(look(sys.argv[2], sys.argv[3] == "cuda", int(sys.argv[4]))))
"""


def probed_rates(config: Config, resources: Resources, table: Rates) -> Rates:
    """Training as a probe measured it, all else as the table says.

    Raises:
        DeviceError: the probe did not end well, e.g. there is no GPU here.
    """
    device = "cuda" if resources.gpus_per_trial and resources.device != "cpu" else "cpu"
    command = [sys.executable, "-P", "-c", ASK, json.dumps(sys.path), config.model_dump_json()]
    try:
        told = subprocess.run(
            [*command, device, str(resources.threads)],
            capture_output=True,
            text=True,
            timeout=LONGEST,
        )
    except subprocess.TimeoutExpired:
        raise DeviceError(f"--probe: {LONGEST:.0f} s were not enough; plan without it") from None
    lines = (told.stdout if told.returncode == 0 else told.stderr).strip().splitlines()
    if told.returncode != 0 or not lines:
        said = lines[-1] if lines else f"exit code {told.returncode}"
        raise DeviceError(f"--probe: a few steps cannot be trained here: {said}")
    found: list[Measured] = []
    for base_too, seconds in zip((True, False), json.loads(lines[-1]), strict=True):
        setting, work = task_of(config, base_too)
        kind = "base" if base_too else "adapter"
        found.append(Measured(kind, setting, work, seconds * config.training.epochs))
    basis = "a probe of a few steps on this machine; features and evaluation from a table"
    return measured_rates(found, basis, table)


def look(config: str, gpu: bool, threads: int) -> tuple[float, float]:
    """Train a few steps. Imports torch.

    Args:
        config: as JSON.
    """
    import torch

    from moleflow.device import prepare
    from moleflow.training.probe import seconds_of_training

    device = prepare(torch.device("cuda" if gpu else "cpu"), threads)
    return seconds_of_training(parse(Config, json.loads(config)), device)
