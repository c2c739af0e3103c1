"""What must be known of the backbone before a study starts, found out in a process of its own.

The driver itself never imports torch: a process that lives as long as the study should stay small.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from moleflow.config import BackboneConfig


def check_backbones(configs: Sequence[BackboneConfig]) -> dict[BackboneConfig, str]:
    """Identity of the weights of every backbone, each of which can be built.

    Raises:
        WeightsError: unknown model or stage; weights missing, unreadable, or incomplete.
    """
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return dict(zip(configs, pool.map(_check, configs), strict=True))


def _check(config: BackboneConfig) -> str:
    from moleflow.features.backbone import load_backbone, weights_identity

    load_backbone(config)
    return weights_identity(config)
