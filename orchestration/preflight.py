"""What must be known of the backbone before a study starts, found out in a process of its own.

The driver itself never imports torch: a process that lives as long as the study should stay small.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from moleflow.config import BackboneConfig, Config


def check_backbones(configs: Sequence[Config]) -> dict[BackboneConfig, str]:
    """Identity of the weights of every backbone; each can be built and takes the images' size.

    Raises:
        WeightsError: unknown model or stage; weights missing, unreadable, or incomplete.
        ConfigError: a ViT whose patches do not fit the images.
    """
    asked = list(dict.fromkeys((config.backbone, config.image.size) for config in configs))
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        identities = pool.map(_check, *zip(*asked, strict=True))
        return {backbone: found for (backbone, _), found in zip(asked, identities, strict=True)}


def _check(backbone: BackboneConfig, size: int) -> str:
    from moleflow.features.backbone import load_backbone, weights_identity

    load_backbone(backbone).check_size(size)
    return weights_identity(backbone)
