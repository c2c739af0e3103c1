"""What training a task leaves in the store: its tensors and its losses."""

import os
import uuid
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import nn

from moleflow.data.sequences import Task, task_name
from moleflow.errors import StoreError
from moleflow.learning import Learned
from moleflow.model import MoLEFlow
from moleflow.saved import module_tensors, saved_files
from moleflow.settings import Settings
from moleflow.tasks.freeze import module_digest
from orchestration.store.entry import manifest_in
from orchestration.studies.trial_keys import digest

DESCRIPTION, BANK, BASE = "stage.json", "bank.safetensors", "base.safetensors"


class Epoch(Settings):
    """Numbers of one pass over a task's training images (`moleflow.training.train.EpochEnd`)."""

    epoch: int
    epochs: int
    loss: float
    grad_norm: float
    lr: float
    seconds: float


class TrainedStage(Settings):
    """A trained task."""

    kind: str
    classes: tuple[str, ...]
    after: tuple[str, ...]
    """Names of the tasks that the model had learned before its training began, in that order."""
    result: str
    """Hash of the bank, and of the base where it was trained too."""
    epochs: tuple[Epoch, ...]


def describe(kind: str, model: MoLEFlow, task: Task, learned: Learned) -> TrainedStage:
    """The stage that a task of the model is the result of."""
    return TrainedStage(
        kind=kind,
        classes=task,
        after=tuple(map(task_name, learned.after)),
        result=result_of(model, task, kind),
        epochs=tuple(Epoch(**asdict(end)) for end in learned.epochs),
    )


def result_of(model: MoLEFlow, task: Task, kind: str) -> str:
    """Hash of all bytes that training the task left in the model."""
    parts = _parts(model, task, kind)
    return digest({name: module_digest(module) for name, module in parts.items()})


def write_trained(folder: Path, stage: TrainedStage, model: MoLEFlow) -> None:
    """Write a stage into its folder of the store."""
    for name, module in _parts(model, stage.classes, stage.kind).items():
        (folder / name).write_bytes(save(module_tensors(module)))
    (folder / DESCRIPTION).write_text(stage.model_dump_json(indent=1), encoding="utf-8")


def read_trained(folder: Path) -> TrainedStage:
    """Raises:
    StoreError: the entry is not one of this version.
    """
    try:
        text = (folder / DESCRIPTION).read_text(encoding="utf-8")
        return TrainedStage.model_validate_json(text)
    except ValueError as error:
        raise StoreError(
            f"{folder / DESCRIPTION}: not a trained stage of this version "
            f"({str(error).splitlines()[0]}); delete the folder {folder}"
        ) from None


def load_trained(folder: Path, stage: TrainedStage, model: MoLEFlow) -> None:
    """Give the model a task that was trained before.

    Raises:
        StoreError: the tensors are not those that the stage is described by.
    """
    task = stage.classes
    model.new_bank(task)
    for name, module in _parts(model, task, stage.kind).items():
        tensors = load((folder / name).read_bytes())
        wanted = {key: tensor.shape for key, tensor in module.state_dict().items()}
        if wanted != {key: tensor.shape for key, tensor in tensors.items()}:
            raise StoreError(f"{folder / name}: its tensors do not fit; delete the folder {folder}")
        with torch.no_grad():
            module.load_state_dict(tensors)
    if result_of(model, task, stage.kind) != stage.result:
        raise StoreError(
            f"{folder}: its tensors are not those that {DESCRIPTION} describes; delete the folder"
        )


def _parts(model: MoLEFlow, task: Task, kind: str) -> dict[str, nn.Module]:
    """By file, the modules that training the task changes."""
    parts: dict[str, nn.Module] = {BANK: model.banks[task]}
    if kind == "base" or not model.config.freeze_base:
        parts[BASE] = model.base_of(task)
    return parts


def link_to_store(model: Path, entry: Path) -> None:
    """Let files of a saved model that are in an entry of the store too be one file on disk.

    Models of trials that share stages then cost next to nothing. Where links cannot be made (two
    file systems), or another attempt replaces the model just now, the model keeps its copy.
    """
    manifest = manifest_in(entry, entry.parent.parent.name, entry.name)
    if isinstance(manifest, str):
        return
    names = {content: name for name, content in saved_files(model).items()}
    for path, known in manifest.files.items():
        if known.sha256 not in names or not path.endswith(".safetensors"):
            continue
        target = model / names[known.sha256]
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            os.link(entry / path, aside)
            aside.replace(target)
        except OSError:
            return
