"""What a trial's numbers depend on, as a key."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from moleflow.config import Config
from moleflow.data.sequences import Sequence

METHOD_VERSION = 3
"""Raised whenever the same settings would give other numbers; part of every key."""


def trial_key(
    config: Config,
    sequence: Sequence,
    seed: int,
    fingerprints: Mapping[str, str],
    weights_digest: str,
) -> str:
    """Hash of what a trial's numbers depend on: not its study, machine, or where its files lie."""
    tree = config.model_dump(mode="json")
    tree["backbone"]["weights"] = weights_digest
    return digest(
        {
            "method": METHOD_VERSION,
            "config": tree,
            "sequence": sequence,
            "seed": seed,
            "data": {name: fingerprints[name] for task in sequence for name in task},
        }
    )


def digest(tree: Any) -> str:
    """Twenty hexadecimal characters of the SHA-256 of canonical JSON."""
    canonical = json.dumps(tree, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:20]
