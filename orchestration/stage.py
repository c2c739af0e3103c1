"""What a stage's result depends on, and nothing else: its key (DESIGN, vocabulary)."""

from typing import Literal

from moleflow.config import Config
from orchestration.study import METHOD_VERSION, digest

Stage = Literal["features", "base", "adapter", "evaluation"]


def features_key(config: Config, fingerprint: str, weights: str, device: str) -> str:
    """Key of the features of one class: its pictures, and how they are turned into patches.

    Args:
        fingerprint: of the class's files.
        weights: identity of the backbone's weights (`moleflow.features.backbone.weights_identity`).
        device: kind of device the backbone runs on; another kind rounds differently.
    """
    backbone = config.backbone.model_dump(mode="json") | {"weights": weights}
    return digest(
        {
            "method": METHOD_VERSION,
            "stage": "features",
            "data": fingerprint,
            "image": config.image.model_dump(mode="json"),
            "backbone": backbone,
            "patches": config.patches.model_dump(mode="json"),
            "raw maps": config.multiscale != "off",
            "device": device,
        }
    )
