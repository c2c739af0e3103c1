"""Questions that take torch or a GPU's memory: asked of a process of its own, which ends."""

import json
import os
import subprocess
import sys
from collections.abc import Callable

from moleflow.errors import DeviceError
from orchestration.cluster.environment import DETERMINISTIC

SCRIPT = """
import json, sys
from importlib import import_module
path, module, name, arguments = json.loads(sys.argv[1])
sys.path[:] = path
answer = getattr(import_module(module), name)(*arguments)
print(json.dumps(answer, default=lambda one: one.model_dump(mode='json')))
"""


def ask(question: Callable[..., object], *arguments: str | int, patience: float) -> str:
    """What a function returns in a process of its own, which has this one's import path; as JSON.

    Args:
        question: of a module; returns what JSON knows, or `Settings`.
        patience: seconds in which it must have ended.

    Raises:
        DeviceError: it did not end well; the message is its last line.
    """
    asked = json.dumps([sys.path, question.__module__, question.__qualname__, arguments])
    try:
        told = subprocess.run(
            [sys.executable, "-P", "-c", SCRIPT, asked],
            capture_output=True,
            text=True,
            timeout=patience,
            env=os.environ | DETERMINISTIC,
        )
    except subprocess.TimeoutExpired:
        raise DeviceError(f"no answer within {patience:.0f} s") from None
    lines = (told.stdout if told.returncode == 0 else told.stderr).strip().splitlines()
    if told.returncode != 0 or not lines:
        raise DeviceError(lines[-1] if lines else f"ended with {told.returncode}")
    return lines[-1]
