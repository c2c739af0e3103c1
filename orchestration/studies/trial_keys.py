"""What a trial's numbers depend on, as a key."""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from moleflow.config import Config
from moleflow.data.sequences import Sequence
from moleflow.inert import REMEMBERED
from moleflow.neutral import deviations
from orchestration.studies.versions import result_versions


def trial_key(
    config: Config,
    sequence: Sequence,
    seed: int,
    fingerprints: Mapping[str, str],
    weights_digest: str,
) -> str:
    """Hash of what a trial's numbers depend on: not its study, machine, or where its files lie."""
    identity = trial_identity(config, sequence, seed, fingerprints, weights_digest)
    return digest({"result": "trial", "versions": result_versions(config), "trial": identity})


def trial_identity(
    config: Config,
    sequence: Sequence,
    seed: int,
    fingerprints: Mapping[str, str],
    weights_digest: str,
) -> str:
    """The same but for versions of results: one trial in all of them."""
    return digest(
        {
            "config": key_settings(config),
            "weights": weights_digest,
            "sequence": sequence,
            "seed": seed,
            "data": {name: fingerprints[name] for task in sequence for name in task},
        }
    )


def key_settings(config: Config) -> dict[str, Any]:
    """What a key hashes of a config, by path: fields that are not neutral. Weights are hashed by
    what they are, not by where they lie."""
    return dict(_settings(config))  # pyright: ignore[reportArgumentType]  # frozen, so hashable


@lru_cache(maxsize=REMEMBERED)
def _settings(config: Config) -> dict[str, Any]:
    """Once for the trials of a setting; a plan is gone over several times."""
    found = deviations(config)
    found.pop("backbone.weights", None)
    return found


def digest(tree: Any) -> str:
    """Twenty hexadecimal characters of the SHA-256 of canonical JSON."""
    return _hash(canonical(tree))


def digest_of_parts(parts: Mapping[str, str]) -> str:
    """`digest` of an object whose values are canonical JSON already; names are plain."""
    return _hash("{" + ",".join(f'"{name}":{parts[name]}' for name in sorted(parts)) + "}")


def canonical(tree: Any) -> str:
    """JSON that is the same for equal trees."""
    return _ENCODER.encode(tree)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]
