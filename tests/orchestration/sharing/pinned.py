"""Keys as they were when they began to be made so, and trials that have them.

`pinned_keys.json` is never written anew: a config in it is JSON of root format 4, and its keys are
those of the first versions of all results with every package at version 0.
"""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from moleflow.config import Config
from orchestration.sharing.keys import StageKeys
from orchestration.studies.expansion import Trial
from orchestration.studies.trial_keys import trial_key

FILE = Path(__file__).with_name("pinned_keys.json")
ORDER = (("a",), ("b", "c"))
PRINTS = {"a": "1", "b": "2", "c": "3"}
WEIGHTS = "sha256:4"


@cache
def pinned() -> dict[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8"))


def names() -> list[str]:
    return list(pinned()["trials"])


def stored_config(name: str) -> str:
    """JSON of a config as a record of root format 4 has it."""
    tree = deepcopy(pinned()["config"])
    for path, value in pinned()["trials"][name]["changes"].items():
        *parents, leaf = path.split(".")
        branch = tree
        for parent in parents:
            branch = branch[parent]
        branch[leaf] = value
    return json.dumps(tree)


def trial(config: Config) -> Trial:
    return Trial(
        key="",
        study="",
        axes={},
        config=config,
        sequence=ORDER,
        seed=5,
        data_root="",
        fingerprints=PRINTS,
        weights=WEIGHTS,
    )


def keys_of(config: Config) -> dict[str, str]:
    """By result, of a trial of two tasks."""
    keys = StageKeys(trial(config), "cpu:avx512", 1)
    scores = keys.scores("a", 1, 2)
    return {
        "features": keys.features("a"),
        "base": keys.task(0),
        "adapter": keys.task(1),
        "scores": scores,
        "metrics": keys.metrics((scores,), "a", "chosen"),
        "trial": trial_key(config, ORDER, 5, PRINTS, WEIGHTS),
    }
