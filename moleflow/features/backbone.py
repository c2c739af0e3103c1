"""Frozen backbones: any timm model that gives feature maps (docs/method.md, 1.2).

timm is imported where it is used: with torchvision it takes as long as torch, and a trial whose
features are in the store needs neither.
"""

import hashlib
import importlib
import inspect
import json
import logging
import os
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from moleflow.config_parts import BackboneConfig, Precision
from moleflow.errors import ConfigError, WeightsError, nearest
from moleflow.layers.precision import products
from moleflow.streams import stream_seed
from moleflow.types import Float, Tensor

COMPILED = "TORCHINDUCTOR_CACHE_DIR"
"""The variable that torch itself names its folder by, once it has made one."""
CHANNELS_LAST = ("resnet18", "resnet34")
"""Backbones that were measured to be faster with channels as the last axis in memory: ResNet-18 by
1.5 times. Others are not (wide ResNets) or were not measured."""


class Backbone(nn.Module):
    """Maps images to feature maps of the chosen stages; never trained, never in training mode."""

    def __init__(self, model: nn.Module, config: BackboneConfig, indices: list[int]):
        super().__init__()
        layout = torch.channels_last if config.name in CHANNELS_LAST else torch.contiguous_format
        self._model = model.eval().requires_grad_(False).to(memory_format=layout)
        self._layout = layout
        self._name = config.name
        self._precision: Precision = config.precision
        self._indices = indices
        self._patch, self._only_side = _image_sizes(model)

    def train(self, mode: bool = True) -> "Backbone":
        """Stays in evaluation mode: batch statistics would tie a feature to its batch mates."""
        return super().train(False)

    @torch.inference_mode()
    def forward(self, images: Float[Tensor, "b 3 y x"]) -> list[Tensor]:
        """Feature maps (B, C, h, w), one per stage, in the order of the config.

        A ViT's prefix tokens are dropped; its position code is interpolated to the image's grid.

        Raises:
            ConfigError: a side of the images is no multiple of a ViT's patch.
        """
        self.check_size(images.shape[-2], images.shape[-1])
        forward: Any = self._model.forward_intermediates
        images = images.contiguous(memory_format=self._layout)
        with _rounding(self._precision, images.device):
            maps = forward(images, indices=self._indices, intermediates_only=True, stop_early=True)
        return [stage.float().contiguous() for stage in maps]

    def check_size(self, *sides: int) -> None:
        """Raises:
        ConfigError: a side, in pixels, is no multiple of a ViT's patch, or not its only size.
        """
        for side in sides:
            if self._only_side not in (None, side):
                raise ConfigError(
                    f"image.size: {self._name} takes images of {self._only_side} pixels only, "
                    f"not {side}; use --set image.size={self._only_side}"
                )
            if side % self._patch:
                lower = side // self._patch * self._patch
                raise ConfigError(
                    f"image.size: {side} is no multiple of {self._patch}, the patch of "
                    f"{self._name}; choose {lower or self._patch} or {lower + self._patch}"
                )


def load_backbone(config: BackboneConfig) -> Backbone:
    """Build the backbone with the weights that the config names, cut off after its last stage.

    Raises:
        WeightsError: unknown model or stage; weights missing, unreadable, or incomplete.
    """
    pretrained = config.weights == "pretrained"
    # timm draws initial weights from torch's global generator: fork it, so nobody else is moved.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed("backbone", config.name, config.random_seed))
        model = _create(config.name, pretrained)
    indices = _stage_indices(model, config)
    prune: Any = model.prune_intermediate_layers
    prune(indices, prune_norm=True, prune_head=True)
    if config.weights not in ("pretrained", "random"):
        _load_weights(model, config)
    return Backbone(model, config, indices)


def _rounding(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Within this block convolutions and matrix products round their factors like this."""
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return _tf32() if precision == "tf32" else nullcontext()


@contextmanager
def _tf32() -> Iterator[None]:
    conv: Any = torch.backends.cudnn.conv  # pyright: ignore
    before = conv.fp32_precision
    conv.fp32_precision = "tf32"
    try:
        with products("tf32"):
            yield
    finally:
        conv.fp32_precision = before


def weights_identity(config: BackboneConfig) -> str:
    """What the weights are, wherever they lie: part of every key that features go into.

    Raises:
        WeightsError: the file cannot be read, or timm does not know the model.
    """
    if config.weights == "random":
        return f"random:{config.random_seed}"
    if config.weights == "pretrained":
        timm = _timm()
        known = timm.get_pretrained_cfg(config.name) if timm.is_model(config.name) else None
        if known is None:
            raise WeightsError(_no_pretrained(config.name))
        return f"timm:{known.architecture}.{known.tag}"
    return _file_identity(Path(config.weights))


def _file_identity(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():  # a pipe or a device may have no end
            raise OSError(0, "is not a regular file")
        with path.open("rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise WeightsError(_unreadable(path, why)) from None


@cache
def _timm() -> ModuleType:
    """timm; importing it has torch's compiler make a folder for what nobody compiles here."""
    given = COMPILED in os.environ
    timm = importlib.import_module("timm")
    if not given and COMPILED in os.environ:
        with suppress(OSError):  # somebody's who did compile
            Path(os.environ[COMPILED]).rmdir()
    return timm


def _create(name: str, pretrained: bool) -> nn.Module:
    timm = _timm()
    if not timm.is_model(name):
        near = nearest(name.partition(".")[0], timm.list_models())
        raise WeightsError(f"backbone.name: timm has no model {name!r}{near}")
    try:
        with _without_retries_told():
            return timm.create_model(name, pretrained=pretrained, **_any_size(name))
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        raise WeightsError(f"{_no_pretrained(name)} ({str(error).splitlines()[0][:200]})") from None


@contextmanager
def _without_retries_told() -> Generator[None]:
    """Of a download only what came of it is said, not every attempt."""
    hub = logging.getLogger("huggingface_hub")
    before = hub.level
    hub.setLevel(logging.ERROR)
    try:
        yield
    finally:
        hub.setLevel(before)


def _any_size(name: str) -> dict[str, Any]:
    """What makes a ViT take images of any size; nothing for a CNN, which takes them anyway."""
    timm = _timm()
    with torch.device("meta"):
        kind = type(timm.create_model(name))
    flexible = "dynamic_img_size" in inspect.signature(kind.__init__).parameters
    return {"dynamic_img_size": True} if flexible else {}


def _image_sizes(model: nn.Module) -> tuple[int, int | None]:
    """What a side of an image must be a multiple of (1 for a CNN), and the only side allowed."""
    embed: Any = getattr(model, "patch_embed", None)
    patch: Any = getattr(embed, "patch_size", (1, 1))
    strict, only = getattr(embed, "strict_img_size", False), getattr(embed, "img_size", None)
    return int(patch[0]), int(only[0]) if strict and only is not None else None


def _no_pretrained(name: str) -> str:
    return (
        f"backbone.weights: timm's pretrained weights of {name!r} could not be had; "
        "without network, give a file: --set backbone.weights=FILE.safetensors"
    )


def _stage_indices(model: nn.Module, config: BackboneConfig) -> list[int]:
    info: Any = getattr(model, "feature_info", None)
    names = [str(stage["module"]) for stage in info or []]
    unknown = [stage for stage in config.stages if stage not in names]
    if unknown:
        raise WeightsError(
            f"backbone.stages: {config.name} has no stage {', '.join(unknown)}; "
            f"its stages are {', '.join(names) or 'not known to timm'}" + _last_blocks(names)
        )
    indices = [names.index(stage) for stage in config.stages]
    if indices != sorted(set(indices)):
        raise WeightsError("backbone.stages: name each stage once, finest first")
    return indices


def _last_blocks(names: list[str]) -> str:
    blocks = [name for name in names if name.startswith("blocks.")]
    if not blocks:
        return ""
    return f"; usual for a ViT are its last four: --set backbone.stages={json.dumps(blocks[-4:])}"


def _load_weights(model: nn.Module, config: BackboneConfig) -> None:
    path = Path(config.weights)
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(_unreadable(path, str(error))) from None
    needed = model.state_dict()
    missing = [name for name in needed if name not in tensors]
    if missing:
        raise WeightsError(
            f"{path}: lacks {len(missing)} tensors that {config.name} needs for "
            f"{', '.join(config.stages)}, first {missing[0]}; give a file that holds these stages, "
            "or choose other ones with --set backbone.stages=[...]"
        )
    wrong = [name for name in needed if needed[name].shape != tensors[name].shape]
    if wrong:
        shapes = f"{tuple(tensors[wrong[0]].shape)}, not {tuple(needed[wrong[0]].shape)}"
        raise WeightsError(f"{path}: {wrong[0]} is {shapes}; is it a file for {config.name}?")
    model.load_state_dict({name: tensors[name] for name in needed})


def _unreadable(path: Path, why: str) -> str:
    return f"backbone.weights: {path} cannot be read as safetensors ({why}); check the path"
