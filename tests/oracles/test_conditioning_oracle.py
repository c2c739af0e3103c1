"""Multi-scale context and the Ledoit-Wolf router against plain references."""

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf
from torch.nn import functional as F

from moleflow.conditioning.multiscale import MultiscaleContext
from moleflow.config import Config
from moleflow.config_parts import RouterConfig, ScoringConfig
from moleflow.errors import DataError
from moleflow.features.patches import raw_maps
from moleflow.model import MoLEFlow
from moleflow.router import new_prototype, task_prototype
from moleflow.scoring import patch_scores
from moleflow.streams import numpy_stream, torch_stream


def test_multi_scale_context_is_that_of_method_outline() -> None:
    """DWConv_k(W_proj [Pool(L2), L3] + b), position by position (Method Outline 3.3.3)."""
    draws = torch_stream("multi-scale")
    fine = torch.randn(2, 3, 8, 8, generator=draws, dtype=torch.float64)
    coarse = torch.randn(2, 5, 4, 4, generator=draws, dtype=torch.float64)
    context = MultiscaleContext(8, 6, 3, draws).double()
    pooled = fine.reshape(2, 3, 4, 2, 4, 2).mean(dim=(3, 5))
    both = torch.cat([pooled, coarse], dim=1)
    found = context(raw_maps([fine, coarse], (4, 4)))
    weight, bias = context.project.weight, context.project.bias
    projected = torch.einsum("oc,bchw->bohw", weight, both) + bias.view(1, -1, 1, 1)
    padded = F.pad(projected, (1, 1, 1, 1))
    expected = torch.zeros_like(projected) + context.bias.view(1, -1, 1, 1)
    for i in range(3):
        for j in range(3):
            kernel = context.weight[:, 0, i, j].view(1, -1, 1, 1)
            expected = expected + kernel * padded[:, :, i : i + 4, j : j + 4]
    torch.testing.assert_close(found, expected.permute(0, 2, 3, 1), rtol=0, atol=1e-12)


def test_multi_scale_context_is_added_to_the_patches_before_the_adapter(tiny: Config) -> None:
    config = tiny.updated({"multiscale": "on", "multiscale.kernel": 3})
    model = MoLEFlow(config, (4, 4), 0, ("bottle",), channels=5)
    model.new_bank(("bottle",))
    stored = torch.randn(2, 4, 4, 21, generator=torch_stream("x"))
    assert model.base.multiscale is not None
    added = stored[..., :16] + model.base.multiscale(stored[..., 16:])
    model.base.multiscale = None
    expected, _ = model.encode(added, ("bottle",))
    model = MoLEFlow(config, (4, 4), 0, ("bottle",), channels=5)
    model.new_bank(("bottle",))
    found, _ = model.encode(stored, ("bottle",))
    torch.testing.assert_close(found, expected)


def test_ledoit_wolf_distance_is_scikit_learns() -> None:
    draws = numpy_stream("router")
    train, test = draws.normal(2, 3, size=(7, 12)), draws.normal(size=(4, 12))
    prototype = new_prototype(torch.from_numpy(train), RouterConfig(covariance="ledoit_wolf"))
    estimate = LedoitWolf().fit(train)
    found = prototype.squared_distance(torch.from_numpy(test))
    np.testing.assert_allclose(found, estimate.mahalanobis(test), rtol=1e-9)


def test_pictures_that_are_all_alike_are_refused_where_nothing_can_be_inverted() -> None:
    alike = torch.ones(5, 12, dtype=torch.float64)
    with pytest.raises(DataError, match=r"ledoit_wolf.*ridge"):
        new_prototype(alike, RouterConfig(covariance="ledoit_wolf"))
    assert new_prototype(alike, RouterConfig()).squared_distance(alike).max() == 0


def test_statistics_of_a_task_are_those_of_all_its_classes_at_once() -> None:
    draws = numpy_stream("router")
    one, other = (torch.from_numpy(draws.normal(m, 1, size=(6, 5)).astype("f")) for m in (0, 4))
    config = RouterConfig(regularisation=1e-3)
    joint, expected = (
        task_prototype([one, other], config),
        new_prototype(torch.cat([one, other]).double(), config),
    )
    assert torch.equal(joint.mean, expected.mean)
    assert joint.cholesky is not None and expected.cholesky is not None
    assert torch.equal(joint.cholesky, expected.cholesky)


@pytest.mark.parametrize("kind", ["patch", "image_mean"])
def test_patch_scores_are_the_plain_ones(kind: str) -> None:
    """-log p(z) - logdet, the log-determinant its own or its image's mean (Framework 4)."""
    log_normal, logdet = numpy_stream("scores").normal(size=(2, 3, 4, 5))
    config = ScoringConfig.model_validate({"logdet": kind})
    found = patch_scores(torch.from_numpy(log_normal + logdet), torch.from_numpy(logdet), config)
    for image in range(3):
        mean = logdet[image].sum() / 20
        used = logdet[image] if kind == "patch" else mean
        np.testing.assert_allclose(found[image], -(log_normal[image] + used), atol=1e-12)
