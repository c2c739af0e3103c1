"""A process that trains what it is asked for, line by line, and answers in JSON.

python -m tests.gpu.worker cuda|cpu full|tiny FOLDER
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from moleflow.device import prepare
from moleflow.training.lanes import Bench
from orchestration.cluster.environment import DETERMINISTIC
from tests.gpu.place import A, B, Place, digests, learn, new_model

EPOCHS = {"main": 60, "quick": 240}


def main(device: str, size: str, out: str) -> None:
    os.environ.update(DETERMINISTIC)
    place = Place(prepare(torch.device(device), 1), size == "tiny", Path(out))
    if place.cuda:
        torch.ones(1, device=place.device)
    _say({"ready": True})
    for line in sys.stdin:
        _say(answer(place, *line.split()))


def answer(place: Place, profile: str, precision: str) -> dict[str, Any]:
    """Hashes of a base and a bank, and pictures per second while the bank was trained."""
    epochs, images = place.number(EPOCHS[profile], 3), place.number(64, 10)
    changes = {"compute.precision": precision, "training.epochs": epochs}
    config = place.config(profile, changes | {"training.warmup_epochs": 1})
    model, bench = new_model(place, config, place.grid(profile)), Bench()
    learn(place, model, A, images, bench)
    ends = learn(place, model, B, images, bench)[1:]
    rate = images * len(ends) / sum(end.seconds for end in ends)
    return {"digests": digests(place, model), "rate": rate}


def _say(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
