"""Tail-aware negative log-likelihood with a log-determinant penalty.

Source: docs/method.md, 6.2; Method Outline 3.5.2.
"""

import torch

from moleflow.config_parts import LossConfig
from moleflow.types import Float, PerPatch, Tensor


def tail_aware_loss(nll: PerPatch, logdet: PerPatch, config: LossConfig) -> Float[Tensor, ""]:
    """(1 - lambda) mean n + lambda mean over images of the mean of the hardest n + penalty.

    The hardest are the top max(1, floor(rho H W)) patches of each image; the penalty is
    lambda_ld * mean(logdet^2) over patches.
    """
    loss = nll.new_zeros(())
    if config.tail_weight < 1:
        loss = loss + (1 - config.tail_weight) * nll.mean()
    if config.tail_weight > 0:
        per_image = nll.flatten(start_dim=1)
        count = max(1, int(config.tail_ratio * per_image.shape[1]))
        hardest = torch.topk(per_image, count, dim=1, sorted=False).values
        loss = loss + config.tail_weight * hardest.mean()
    if config.logdet_weight > 0:
        loss = loss + config.logdet_weight * logdet.square().mean()
    return loss
