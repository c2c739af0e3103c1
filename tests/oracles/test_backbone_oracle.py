"""Backbone maps are timm's, wherever weights come from; PatchCore's pooling is its definition."""

from pathlib import Path

import pytest
import timm
import timm.models._registry as registry
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from moleflow.config import Config
from moleflow.config_parts import BackboneConfig, PatchConfig
from moleflow.errors import ConfigError, WeightsError
from moleflow.features.backbone import load_backbone, weights_identity
from moleflow.features.cache import image_features
from moleflow.features.model_names import check_model, model_names
from moleflow.features.patches import patch_vectors
from moleflow.streams import torch_stream

RESNET = BackboneConfig(name="resnet18", weights="random")


def images(size: int = 64) -> torch.Tensor:
    return torch.randn(2, 3, size, size, generator=torch_stream("images"))


def timm_maps(weights: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    model = timm.create_model("resnet18", features_only=True, out_indices=(2, 3)).eval()
    model.load_state_dict(weights)
    with torch.inference_mode():
        return model(images())


def test_random_backbone_gives_timms_features_only_maps() -> None:
    backbone = load_backbone(RESNET)
    weights = backbone._model.state_dict()  # the oracle needs the same weights
    for ours, theirs in zip(backbone(images()), timm_maps(weights), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.real
def test_backbone_file_gives_timms_features_only_maps(real_data: Path) -> None:
    path = real_data / "weights" / "resnet18.safetensors"
    backbone = load_backbone(RESNET.model_copy(update={"weights": str(path)}))
    theirs = timm_maps(
        {name: t.float() if t.is_floating_point() else t for name, t in load_file(path).items()}
    )
    for our, their in zip(backbone(images()), theirs, strict=True):
        # Channels lie last in memory here: sums are of the same numbers in another order.
        torch.testing.assert_close(our, their, rtol=0, atol=1e-5 * float(their.max()))


@pytest.mark.slow
def test_random_weights_are_seeded_and_never_move_the_global_generator() -> None:
    state = torch.get_rng_state()
    one, same = load_backbone(RESNET)(images()), load_backbone(RESNET)(images())
    other = load_backbone(RESNET.model_copy(update={"random_seed": 1}))(images())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one[0], same[0])
    assert not torch.equal(one[0], other[0])


def test_backbone_stays_in_evaluation_mode() -> None:
    backbone = load_backbone(RESNET).train()
    assert not any(module.training for module in backbone.modules())


@pytest.mark.slow
def test_a_file_that_lacks_a_needed_stage_is_refused(tmp_path: Path) -> None:
    whole = load_backbone(RESNET)._model.state_dict()
    partial = {name: t.contiguous() for name, t in whole.items() if "layer3" not in name}
    path = tmp_path / "partial.safetensors"
    save_file(partial, path)
    config = RESNET.model_copy(update={"weights": str(path)})
    with pytest.raises(WeightsError, match=r"partial\.safetensors: lacks \d+ tensors.*layer3"):
        load_backbone(config)
    assert load_backbone(config.model_copy(update={"stages": ("layer1", "layer2")}))


@pytest.mark.slow
def test_bfloat16_maps_are_the_float32_ones_to_its_seven_bits() -> None:
    exact = load_backbone(RESNET)(images())
    rounded = load_backbone(RESNET.model_copy(update={"precision": "bfloat16"}))(images())
    for one, other in zip(exact, rounded, strict=True):
        assert other.dtype == torch.float32 and not torch.equal(one, other)
        torch.testing.assert_close(one, other, rtol=0, atol=0.03 * float(one.max()))


def test_a_precision_that_the_device_has_not_is_refused() -> None:
    config = Config(backbone=RESNET.model_copy(update={"precision": "tf32"}))
    pixels = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    with pytest.raises(ConfigError, match=r"backbone\.precision: tf32 needs an NVIDIA GPU"):
        image_features(pixels, config, load_backbone(config.backbone), torch.device("cpu"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "resnet81"}, "timm has no model 'resnet81'; did you mean resnet"),
        ({"stages": ("layer2", "layer9")}, "has no stage layer9; its stages are act1, layer1"),
        ({"stages": ("layer3", "layer2")}, "finest first"),
        ({"weights": "/nowhere/w.safetensors"}, "/nowhere/w.safetensors cannot be read"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(change: dict[str, object], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        load_backbone(RESNET.model_copy(update=change))


def test_names_of_models_are_read_as_timm_registers_them() -> None:
    assert model_names() == set(registry._model_entrypoints)


@pytest.mark.parametrize("name", ["resnet18", "tv_resnet50", "vit_base_patch14_dinov2.lvd142m"])
def test_a_model_is_known_by_its_name_with_or_without_a_tag(name: str) -> None:
    check_model(name)


@pytest.mark.parametrize(
    ("name", "near"),
    [("resnet81", "resnet"), ("wide_resnet50", "wide_resnet50_2"), ("qq", "'qq'$")],
)
def test_a_model_that_timm_has_not_is_refused_with_one_that_is_like_it(
    name: str, near: str
) -> None:
    with pytest.raises(WeightsError, match=near):
        check_model(name)


def test_identity_of_weights_is_their_content(tmp_path: Path) -> None:
    here, there = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file({"x": torch.ones(2)}, here)
    save_file({"x": torch.ones(2)}, there)
    identity = [
        weights_identity(RESNET.model_copy(update={"weights": str(p)})) for p in (here, there)
    ]
    assert identity[0] == identity[1] != weights_identity(RESNET)
    save_file({"x": torch.zeros(2)}, there)
    assert weights_identity(RESNET.model_copy(update={"weights": str(there)})) != identity[0]


@pytest.mark.parametrize("grid", ["first", "last"])
def test_patches_are_patchcores(grid: str) -> None:
    draws = torch_stream("maps")
    maps = [torch.randn(2, 8, 6, 8, generator=draws), torch.randn(2, 12, 3, 4, generator=draws)]
    config = PatchConfig(dim=16, grid=grid)
    patches = patch_vectors(maps, config)
    size = maps[0 if grid == "first" else 1].shape[-2:]
    expected = []
    for stage in maps:  # interpolate, then pool: PatchCore's own order
        height, width = stage.shape[-2:]
        gathered = F.unfold(stage, 3, padding=1).unflatten(-1, (height, width))
        enlarged = F.interpolate(gathered, size=size, mode="bilinear", align_corners=False)
        rows = enlarged.permute(0, 2, 3, 1).flatten(0, 2)[:, None]
        expected.append(F.adaptive_avg_pool1d(rows, 16).view(2, *size, 16))
    torch.testing.assert_close(patches, torch.stack(expected).mean(0), rtol=0, atol=1e-5)
