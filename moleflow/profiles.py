"""Named settings, each a complete `Config` (docs/method.md, 9)."""

from collections.abc import Callable
from typing import Any

from moleflow.config import NAMED, Config, value_at
from moleflow.errors import ConfigError


def main() -> Config:
    """The full-size model of Ablation Study: 6 blocks, 2 DIA blocks, rank 64, D 768, 28 x 28."""
    return Config()


def method_v1_6() -> Config:
    """The model of Method Outline: 14 x 14 patches, multi-scale context, 8 blocks, LoRA times 1."""
    return main().updated(
        {
            "patches.grid": "last",
            "multiscale": "on",
            "multiscale.kernel": 3,
            "adapter.init": "task0",
            "flow.blocks": 8,
            "flow.clamp": "soft",
            "flow.context_kernel": 3,
            "flow.train_global_affine": True,
            "lora.alpha": "r",
            "loss.tail_weight": 0.3,
            "loss.tail_ratio": 0.05,
            "loss.logdet_weight": 3e-5,
            "training.lr": 2e-4,
            "training.dia_lr": 0.5,
        }
    )


def framework_v3() -> Config:
    """The model of Framework: DINOv2 blocks as they are, FiLM, plain subnets, mean loss, no DIA."""
    return main().updated(
        {
            "image.size": 518,
            "backbone.name": "vit_base_patch14_dinov2.lvd142m",
            "backbone.stages": [f"blocks.{k}" for k in (8, 9, 10, 11)],
            "patches.neighbourhood": 1,
            "adapter": "film",
            "mixer.kernel": 0,
            "flow.blocks": 8,
            "flow.context_kernel": 0,
            "lora.rank": 32,
            "dia.blocks": 0,
            "loss.tail_weight": 0.0,
            "loss.logdet_weight": 0.0,
            "training.epochs": 40,
            "training.lr": 2e-4,
            "scoring.aggregation": "quantile",
            "scoring.logdet": "image_mean",
        }
    )


def high_res() -> Config:
    """`main` on the grid of layer1, 56 x 56 (DeCoFlow, arXiv 2606.26687)."""
    return main().updated(
        {"backbone.stages": ["layer1", "layer2", "layer3"], "loss.tail_weight": 0.85}
    )


def visa_vit() -> Config:
    """DeCoFlow's model for VisA: four early blocks of a ViT-B/16, 14 x 14 patches as they are."""
    return main().updated(
        {
            "backbone.name": "vit_base_patch16_224.augreg2_in21k_ft_in1k",
            "backbone.stages": [f"blocks.{k}" for k in (1, 2, 3, 5)],
            "patches.neighbourhood": 1,
            "flow.blocks": 10,
            "flow.context_kernel": 3,
            "dia.blocks": 6,
            "loss.tail_weight": 0.8,
            "training.epochs": 100,
            "training.lr": 2e-4,
        }
    )


def quick() -> Config:
    """A small model for a laptop's CPU: resnet18, 192 px, 12 x 12 patches of 128 channels."""
    return main().updated(
        {
            "image.size": 192,
            "backbone.name": "resnet18",
            "patches.dim": 128,
            "patches.grid": "last",
            "flow.blocks": 4,
            "flow.context_kernel": 3,
            "flow.train_global_affine": True,
            "lora.rank": 16,
            "training.epochs": 120,
            "training.lr": 2e-3,
        }
    )


PROFILES: dict[str, Callable[[], Config]] = {
    kind.__name__: kind for kind in (main, method_v1_6, framework_v3, high_res, visa_vit, quick)
}


def profile(name: str) -> Config:
    """The profile of that name.

    Raises:
        ConfigError: no such profile.
    """
    if name not in PROFILES:
        raise ConfigError(f"unknown profile {name!r}; choose one of {', '.join(PROFILES)}")
    return PROFILES[name]()


def changes_of(name: str) -> dict[str, Any]:
    """What a profile changes of `main`, by dotted field: `main().updated(changes_of(name))` is it.

    Raises:
        ConfigError: no such profile.
    """
    tree, usual = (config.model_dump(mode="json") for config in (profile(name), main()))
    branches = {path: value_at(tree, path) for path in NAMED}
    chosen = {path: word for path, word in branches.items() if word != value_at(usual, path)}
    bare = main().updated(chosen).flat()
    fields = {path: value for path, value in profile(name).flat().items() if value != bare[path]}
    return chosen | fields
