"""ViT maps are the outputs of the named blocks without prefix tokens, on any grid."""

from typing import Any

import pytest
import timm
import torch

from moleflow.config_parts import BackboneConfig, PatchConfig
from moleflow.errors import ConfigError, WeightsError
from moleflow.features.backbone import load_backbone
from moleflow.features.patches import patch_vectors
from moleflow.streams import torch_stream

pytestmark = pytest.mark.slow

PLAIN = BackboneConfig(
    name="vit_tiny_patch16_224", weights="random", stages=("blocks.1", "blocks.3")
)
REGISTERS = BackboneConfig(
    name="vit_small_patch14_reg4_dinov2", weights="random", stages=("blocks.0", "blocks.1")
)


def block_tokens(model: Any, images: torch.Tensor, blocks: list[int]) -> list[torch.Tensor]:
    """What the blocks give in timm's own forward pass, all tokens."""
    seen: dict[int, torch.Tensor] = {}
    hooks = [
        model.blocks[k].register_forward_hook(lambda _m, _i, out, k=k: seen.update({k: out}))
        for k in blocks
    ]
    with torch.inference_mode():
        model.forward_features(images)
    for hook in hooks:
        hook.remove()
    return [seen[k] for k in blocks]


@pytest.mark.parametrize(
    ("config", "size", "grid", "prefix"),
    [
        (PLAIN, (64, 64), (4, 4), 1),
        (PLAIN, (48, 80), (3, 5), 1),
        (PLAIN, (224, 224), (14, 14), 1),
        (REGISTERS, (518, 518), (37, 37), 5),
    ],
)
def test_maps_are_the_blocks_tokens_without_their_prefix(
    config: BackboneConfig, size: tuple[int, int], grid: tuple[int, int], prefix: int
) -> None:
    images = torch.randn(1, 3, *size, generator=torch_stream("images"))
    backbone = load_backbone(config)
    blocks = [int(stage.split(".")[1]) for stage in config.stages]
    theirs = timm.create_model(config.name, dynamic_img_size=True).eval()
    theirs.load_state_dict(backbone._model.state_dict(), strict=False)
    tokens = block_tokens(theirs, images, blocks)
    for ours, their in zip(backbone(images), tokens, strict=True):
        assert tuple(ours.shape[-2:]) == grid
        assert their.shape[1] == prefix + grid[0] * grid[1]
        expected = their[:, prefix:].transpose(1, 2).reshape(ours.shape)
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


def test_patches_of_a_vit_are_the_mean_over_its_blocks() -> None:
    """Neighbourhood 1 and D equal to the width leave the tokens as they are (Framework 2.1)."""
    images = torch.randn(2, 3, 48, 80, generator=torch_stream("images"))
    maps = load_backbone(PLAIN)(images)
    patches = patch_vectors(maps, PatchConfig(dim=192, neighbourhood=1))
    expected = torch.stack(maps).mean(dim=0).permute(0, 2, 3, 1)
    torch.testing.assert_close(patches, expected)


def test_a_size_that_the_patch_does_not_divide_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"image\.size: 100 is no multiple of 16.*96 or 112"):
        load_backbone(PLAIN).check_size(100)


def test_stages_of_a_cnn_are_refused_with_the_usual_ones_of_a_vit() -> None:
    with pytest.raises(WeightsError, match=r'last four: .*\["blocks.8", "blocks.9"'):
        load_backbone(PLAIN.model_copy(update={"stages": ("layer2",)}))
