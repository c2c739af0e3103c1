"""Memory: what is told against what is taken, and what happens when there is too little."""

import gc
from collections.abc import Iterator

import torch

from moleflow.config import Config
from moleflow.tasks.freeze import module_digest
from moleflow.training.footprint import Footprint, footprint
from moleflow.training.lanes import Bench
from tests.gpu.findings import Check, Figure, Finding, Skipped, same
from tests.gpu.place import A, B, C, Place, learn, new_model

MIB = 2**20
ONE_EPOCH = {"training.epochs": 1, "training.warmup_epochs": 0}
APART, SLIGHT = 0.25, 128 * MIB
"""Most that the peak may differ from what is told, as a share of that; and what never matters."""
CASES = (
    ("main", "bfloat16", 213),
    ("main", "tf32", 213),
    ("high_res", "bfloat16", 60),
    ("quick", "float32", 213),
    ("method_v1_6", "bfloat16", 100),
)
"""Profile, precision, training images of a task."""


def peaks(place: Place) -> Iterator[Finding]:
    """Peak of what torch counts as allocated in three tasks, against the footprint."""
    if not place.cuda:
        yield Skipped("peak memory against what is told")
        return
    for profile, precision, images in CASES:
        config = place.config(profile, ONE_EPOCH | {"compute.precision": precision})
        grid, channels = place.grid(profile), place.channels(profile)
        images = place.number(images, 10)
        told = footprint(config, grid, [images] * 3, channels)
        taken, reserved = _taken(place, config, grid, channels, images)
        name = f"{profile} {precision}"
        yield Figure(f"memory {name}, MiB", _mebibytes(told, taken, reserved))
        off, most = abs(taken - told.training), max(APART * told.training, SLIGHT)
        wanted = f"within {most / MIB:.0f} of {told.training / MIB:.0f} MiB"
        yield Check(f"peak of {name}", off <= most, f"{taken / MIB:.0f} MiB", wanted)
    free, total = torch.cuda.mem_get_info()
    outside = total - free - torch.cuda.memory_reserved()
    yield Figure("memory beside torch's, MiB", {"context and others": outside / MIB})


def _taken(
    place: Place, config: Config, grid: tuple[int, int], channels: int, images: int
) -> tuple[int, int]:
    """Peaks of allocated and of reserved memory over three tasks, beyond what was there."""
    _tidy()
    allocated, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    torch.cuda.reset_peak_memory_stats()
    model, bench = new_model(place, config, grid, A, channels), Bench()
    for task in (A, B, C):
        learn(place, model, task, images, bench)
    return (
        torch.cuda.max_memory_allocated() - allocated,
        torch.cuda.max_memory_reserved() - reserved,
    )


def _mebibytes(told: Footprint, taken: int, reserved: int) -> dict[str, float]:
    parts = {name: size / MIB for name, size in vars(told).items()}
    return parts | {
        "told for training": told.training / MIB,
        "taken": taken / MIB,
        "reserved": reserved / MIB,
    }


def out_of_memory(place: Place) -> Iterator[Finding]:
    """Training says that memory ran out, shrinks nothing, and can be done again with more."""
    if not place.cuda:
        yield Skipped("training that runs out of memory")
        return
    config = place.config("main", ONE_EPOCH | {"compute.precision": "bfloat16"})
    images = place.number(40, 10)
    need = footprint(config, place.grid("main"), [images] * 2)
    before = _digest(place, config, images)
    _tidy()
    _, total = torch.cuda.mem_get_info()
    limit = torch.cuda.memory_reserved() + need.weights + need.optimizer + need.patches
    torch.cuda.set_per_process_memory_fraction((limit + need.activations // 4) / total)
    told = "nothing"
    try:
        _digest(place, config, images)
    except torch.OutOfMemoryError as error:
        told = str(error).splitlines()[0]
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    yield Check("training out of memory", "out of memory" in told, told, "OutOfMemoryError")
    _tidy()
    yield same("the same training with memory again", before, _digest(place, config, images))


def _digest(place: Place, config: Config, images: int) -> str:
    model, bench = new_model(place, config, place.grid("main")), Bench()
    for task in (A, B):
        learn(place, model, task, images, bench)
    return module_digest(model.banks[B])


def _tidy() -> None:
    gc.collect()
    torch.cuda.empty_cache()
