"""What a trial needs of a GPU's memory, and how many trials a GPU holds at once."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import final

from moleflow.config import Config
from moleflow.data.catalog import open_catalog
from moleflow.errors import DeviceError
from moleflow.settings import Settings, parse
from moleflow.training.footprint import Footprint, footprint, gpu_share, shares, streamed
from moleflow.wording import counted
from orchestration.cluster.asking import ask
from orchestration.doctor.checks import GB, Finding
from orchestration.doctor.machine import Gpu, ask_torch

LOOKED_AT_IN = 120.0
"""Seconds in which a backbone must have been built: torch and timm are imported for it."""
USUAL = (391,) * 15
"""Training pictures of 15 classes, where no data are named: MVTec AD's number, its largest size."""
SIZES = (24, 40, 80, 141)
"""GB of the GPUs that are told of where this machine has none."""


@final
class PatchShape(Settings):
    """What a backbone makes of a picture."""

    grid: tuple[int, int]
    channels: int
    """Of raw maps, for multi-scale context; else 0."""


def examine_needs(name: str, config: Config, data: Path | None) -> Iterator[Finding]:
    """One class a task.

    Args:
        name: of the profile.
        data: folder whose classes are learned.

    Raises:
        DataError: it is no data set.
        DeviceError: the backbone cannot be looked at.
    """
    images = USUAL
    if data is not None:
        found = open_catalog(data.expanduser().resolve())
        images = tuple(len(one.train) for one in found.values())
    shape = ask_patches(config)
    need = footprint(config, shape.grid, images, shape.channels)
    less = streamed(need, config, shape.grid, shape.channels)
    whose = f"{name} with {counted(len(images), 'task')} of up to {counted(max(images), 'picture')}"
    yield judge_needs(whose, need, less, ask_torch().gpus)


def judge_needs(whose: str, need: Footprint, less: Footprint, gpus: Sequence[Gpu]) -> Finding:
    """How many such trials the GPUs hold; that none does is worth a warning.

    Args:
        less: the same, with patches that are not all on the GPU.
    """
    parts = ", ".join(f"{part} {size / GB:.2f}" for part, size in vars(need).items())
    text = f"{whose}: {need.total / GB:.1f} GB of a GPU ({parts})"
    if not gpus:
        fits = "; ".join(f"of {size} GB: {_fits(need, less, int(size * GB))}" for size in SIZES)
        return Finding("trial", "ok", f"{text}; a GPU {fits}")
    small = [gpu for gpu in gpus if not shares(less, gpu.memory)]
    kinds = {(gpu.name, gpu.memory) for gpu in gpus}
    told = "; ".join(f"{gpu}: {_fits(need, less, memory)}" for gpu, memory in sorted(kinds))
    if small:
        remedy = "a trial would run out of memory there: --set training.batch_size=… or other GPUs"
        return Finding("trial", "warning", f"{text}; {told}", remedy)
    return Finding("trial", "ok", f"{text}; {told}")


def _fits(need: Footprint, less: Footprint, memory: int) -> str:
    count, aside = shares(need, memory), ""
    if not count:
        count, aside = shares(less, memory), ", patches streamed"
    if not count:
        return "too small"
    share = gpu_share(count)
    return f"{count} at once{aside} (--gpus-per-trial {share:g})"


def ask_patches(config: Config) -> PatchShape:
    """`look_at_patches` in a process of its own.

    Raises:
        DeviceError: it did not end well.
    """
    try:
        found = ask(look_at_patches, config.model_dump_json(), patience=LOOKED_AT_IN)
    except DeviceError as error:
        raise DeviceError(f"{config.backbone.name} cannot be built: {error}") from None
    return PatchShape.model_validate_json(found)


def look_at_patches(config: str) -> PatchShape:
    """Build the backbone, untrained, and show it a picture. Imports torch and timm.

    Args:
        config: as JSON.
    """
    import torch

    from moleflow.features.backbone import load_backbone
    from moleflow.features.patches import patch_grid, raw_maps

    chosen = parse(Config, json.loads(config))
    untrained = chosen.backbone.model_copy(update={"weights": "random"})
    maps = load_backbone(untrained)(torch.zeros(1, 3, chosen.image.size, chosen.image.size))
    grid = patch_grid(maps, chosen.patches)
    channels = 0 if chosen.multiscale == "off" else raw_maps(maps, grid).shape[-1]
    return PatchShape(grid=grid, channels=channels)
