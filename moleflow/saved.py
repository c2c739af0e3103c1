"""A trained sequence on disk: a folder of safetensors files and `model.json`, whole or refused.

Base and banks lie in files of their own, so that a bank can be added later without touching others.
What is read is taken for what it is only after it was found so (`moleflow.manifest`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from moleflow.config import Config
from moleflow.data.sequences import Task, task_name
from moleflow.errors import ModelError, StoreError
from moleflow.features.cache import ClassFeatures
from moleflow.files import replace_file, replaced_folder
from moleflow.manifest import (
    MANIFEST,
    FileSum,
    Manifest,
    TaskFiles,
    manifest_content,
    read_inside,
    read_manifest,
)
from moleflow.model import MoLEFlow
from moleflow.router import Prototype
from moleflow.types import Tensor

Depths = Mapping[str, int | None]
"""Bits that values of 16-bit pictures use, by class; None where a class has no such pictures."""
NO_DEPTHS: Depths = {}


@dataclass(frozen=True)
class SavedModel:
    """A trained sequence as it was saved."""

    model: MoLEFlow
    sequence: tuple[Task, ...]
    prototypes: tuple[Prototype, ...]
    manifest: Manifest


def new_model(
    config: Config, features: Mapping[str, ClassFeatures], seed: int, first: Task
) -> MoLEFlow:
    """An untrained model that fits the features."""
    _, height, width, channels = features[first[0]].train.patches.shape
    return MoLEFlow(config, (height, width), seed, first, channels - config.patches.dim)


def save_model(
    folder: Path,
    model: MoLEFlow,
    prototypes: Sequence[Prototype],
    weights: str,
    data: Mapping[str, str],
    bits: Depths = NO_DEPTHS,
) -> None:
    """Write a trained sequence; a folder that is already there is replaced once all is written.

    Args:
        prototypes: of the model's tasks, in their order.
        weights: identity of the backbone's weights.
        data: fingerprint of every class's pictures.
        bits: that values of a class's 16-bit pictures use.

    Raises:
        StoreError: the folder cannot be written (permission, disk full); an old one stays whole.
    """
    try:
        with replaced_folder(folder) as new:
            manifest = _write_tasks(new, model, prototypes, weights, data, bits)
            (new / MANIFEST).write_bytes(manifest_content(manifest))
    except OSError as error:
        raise _unwritable(folder, error) from error


def _write_tasks(
    folder: Path,
    model: MoLEFlow,
    prototypes: Sequence[Prototype],
    weights: str,
    data: Mapping[str, str],
    bits: Depths,
) -> Manifest:
    """Write the tensors of all tasks; returns what describes them."""
    files: dict[str, FileSum] = {}
    tasks: list[TaskFiles] = []
    for task, prototype in zip(model.banks, prototypes, strict=True):
        named = _file_names(model, task, data, bits)
        parts = {
            named.base: module_tensors(model.base_of(task)),
            named.bank: module_tensors(model.banks[task]),
            named.router: _router_tensors(prototype),
        }
        files |= {name: _write(folder / name, t) for name, t in parts.items()}
        tasks.append(named)
    return Manifest(
        config=model.config,
        seed=model.seed,
        grid=model.grid,
        channels=model.channels,
        weights=weights,
        tasks=tuple(tasks),
        files=files,
        versions={name: version(name) for name in ("moleflow", "torch", "timm")},
    )


def save_added_task(
    folder: Path,
    saved: SavedModel,
    task: Task,
    prototype: Prototype,
    data: Mapping[str, str],
    bits: Depths = NO_DEPTHS,
) -> SavedModel:
    """Add the newest task of a model to its folder; files that are there keep their bytes.

    Raises:
        ModelError: the task is not the one that the folder lacks.
        StoreError: the folder cannot be written; it stays the model that it was.
    """
    if tuple(saved.model.banks) != (*saved.sequence, task):
        raise ModelError(f"{folder}: {task_name(task)} is not the one new task of this model")
    named = _file_names(saved.model, task, data, bits)
    parts = {
        named.bank: module_tensors(saved.model.banks[task]),
        named.router: _router_tensors(prototype),
    }
    if named.base not in saved.manifest.files:
        parts[named.base] = module_tensors(saved.model.base_of(task))
    try:
        files = {name: _write(folder / name, tensors) for name, tensors in parts.items()}
        manifest = _with_task(saved.manifest, named, files)
        replace_file(folder / MANIFEST, manifest_content(manifest))
    except OSError as error:
        raise _unwritable(folder, error) from error
    sequence, prototypes = (*saved.sequence, task), (*saved.prototypes, prototype)
    return replace(saved, sequence=sequence, prototypes=prototypes, manifest=manifest)


def load_model(folder: Path) -> SavedModel:
    """Read a trained sequence, on the CPU.

    Raises:
        ModelError: not a model's folder, another format, or a file that is missing, damaged, or
            not what the manifest says.
    """
    manifest = read_manifest(folder)
    content = {name: _read(folder, name, known) for name, known in manifest.files.items()}
    first = manifest.tasks[0].classes
    for task in manifest.tasks:
        _check_router(folder / task.router, content[task.router], manifest.config)
    model = MoLEFlow(manifest.config, manifest.grid, manifest.seed, first, manifest.channels)
    for task in manifest.tasks:
        bank = model.new_bank(task.classes)
        _fill(folder / task.bank, bank, content[task.bank])
        _fill(folder / task.base, model.base_of(task.classes), content[task.base])
    prototypes = tuple(_prototype(content[task.router]) for task in manifest.tasks)
    return SavedModel(model, tuple(model.banks), prototypes, manifest)


def saved_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a saved model, by name.

    Raises:
        ModelError: not a model's folder, or another format.
    """
    return {name: known.sha256 for name, known in read_manifest(folder).files.items()}


def _file_names(model: MoLEFlow, task: Task, data: Mapping[str, str], bits: Depths) -> TaskFiles:
    """Named by the task's classes; classes may be many and hold any character, so by a hash."""
    owner = task if model.config.separate else model.first
    base, own = (hashlib.sha256("\0".join(t).encode()).hexdigest()[:12] for t in (owner, task))
    return TaskFiles(
        classes=task,
        base=f"base-{base}.safetensors",
        bank=f"bank-{own}.safetensors",
        router=f"router-{own}.safetensors",
        data={name: data[name] for name in task},
        bits={name: found for name in task if (found := bits.get(name)) is not None},
    )


def module_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Its state on the CPU, by name."""
    return {name: t.detach().cpu().contiguous() for name, t in module.state_dict().items()}


def _router_tensors(prototype: Prototype) -> dict[str, Tensor]:
    tensors = {"mean": prototype.mean}
    if prototype.cholesky is not None:
        tensors["cholesky"] = prototype.cholesky.contiguous()
    return tensors


def _prototype(tensors: Mapping[str, Tensor]) -> Prototype:
    return Prototype(tensors["mean"], tensors.get("cholesky"))


def _with_task(manifest: Manifest, task: TaskFiles, files: Mapping[str, FileSum]) -> Manifest:
    changed = {"tasks": (*manifest.tasks, task), "files": {**manifest.files, **files}}
    return manifest.model_copy(update=changed)


def _unwritable(folder: Path, error: OSError) -> StoreError:
    return StoreError(f"{folder}: the model cannot be written ({error.strerror}); free space there")


def _write(path: Path, tensors: dict[str, Tensor]) -> FileSum:
    """Returns the file's size and SHA-256."""
    content = save(tensors)
    replace_file(path, content)
    return FileSum(size=len(content), sha256=hashlib.sha256(content).hexdigest())


def _read(folder: Path, name: str, known: FileSum) -> dict[str, Tensor]:
    path, remedy = folder / name, "restore it from a copy of the model"
    try:
        content = read_inside(folder, name, known.size)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    if len(content) != known.size or hashlib.sha256(content).hexdigest() != known.sha256:
        raise ModelError(
            f"{path}: is damaged (its size or SHA-256 is not the one in {MANIFEST}); "
            f"{remedy}, or train it anew"
        )
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ModelError(f"{path}: holds no tensors ({error}); {remedy}") from None
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{path}: {key} holds numbers that are not finite; {remedy}")
    return tensors


def _check_router(path: Path, tensors: Mapping[str, Tensor], config: Config) -> None:
    dim = config.patches.dim
    wanted: dict[str, tuple[int, ...]] = {"mean": (dim,)}
    if config.router.distance == "mahalanobis":
        wanted["cholesky"] = (dim, dim)
    found = {name: tuple(t.shape) for name, t in tensors.items()}
    if found != wanted or any(t.dtype != torch.float64 for t in tensors.values()):
        raise ModelError(f"{path}: its tensors do not fit the config in {MANIFEST}")
    cholesky = tensors.get("cholesky")
    if cholesky is not None and not bool((cholesky.diagonal() > 0).all()):
        raise ModelError(f"{path}: its cholesky is no factor of a covariance")


def _fill(path: Path, module: nn.Module, tensors: dict[str, Tensor]) -> None:
    wanted = {name: (t.shape, t.dtype) for name, t in module.state_dict().items()}
    if wanted != {name: (t.shape, t.dtype) for name, t in tensors.items()}:
        raise ModelError(f"{path}: its tensors do not fit the config in {MANIFEST}")
    for name, tensor in tensors.items():
        # The only integers are permutations of channels: an index outside would end a computation.
        if not tensor.is_floating_point() and not torch.equal(
            tensor.sort().values, torch.arange(len(tensor), dtype=tensor.dtype)
        ):
            raise ModelError(f"{path}: {name} is no permutation")
    with torch.no_grad():
        module.load_state_dict(tensors)
