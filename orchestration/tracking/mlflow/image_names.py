"""What images are called in MLflow's views."""

import re

from orchestration.studies.trial_keys import digest

SECTION = "anomaly_maps"
LONGEST_NAME = 100


def image_key(name: str) -> str:
    """Of a class's images."""
    return f"{SECTION}/{plain_name(name)}"


def plain_name(name: str) -> str:
    """What MLflow takes for an image's name; a digest keeps two apart that were made plain."""
    plain = re.sub(r"[^a-zA-Z0-9_\-. ]", "_", name)[:LONGEST_NAME]
    return plain if plain == name else f"{plain}-{digest(name)[:8]}"
