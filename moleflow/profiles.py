"""Named settings, each a complete `Config` (METHOD 9)."""

from collections.abc import Callable

from moleflow.config import Config
from moleflow.errors import ConfigError


def main() -> Config:
    """The full-size model of 004's ablations: 6 blocks, 2 DIA blocks, rank 64, D 768, 28 x 28."""
    return Config()


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


PROFILES: dict[str, Callable[[], Config]] = {"main": main, "quick": quick}


def profile(name: str) -> Config:
    """The profile of that name.

    Raises:
        ConfigError: no such profile.
    """
    if name not in PROFILES:
        raise ConfigError(f"unknown profile {name!r}; choose one of {', '.join(PROFILES)}")
    return PROFILES[name]()
