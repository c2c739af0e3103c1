"""The same bits: by orders, again, beside another process, after a resume, captured or streamed."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from moleflow.config import Config
from moleflow.data.sequences import Task
from moleflow.errors import DivergedError
from moleflow.model import MoLEFlow
from moleflow.saved import module_tensors
from moleflow.streams import torch_stream
from moleflow.tasks.freeze import module_digest
from moleflow.training import train
from moleflow.training.lanes import Bench
from moleflow.training.optimizer import learning_rate
from moleflow.training.steps import PlainSteps, Steps
from moleflow.training.train import batch_sizes, train_task
from moleflow.types import Tensor
from tests.gpu.findings import Check, Finding, Skipped, same
from tests.gpu.place import A, B, C, Place, digests, learn, new_model, replaced, trained

SHORT = {"training.epochs": 2, "training.warmup_epochs": 1}
IMAGES = 40
"""Of a task, whose last batch is a partial one."""
BAD_STEP = 2
"""Of the first epoch."""


def certificate(place: Place) -> Iterator[Finding]:
    """Two orders with one task 0, at the sizes of `main`: base, banks and likelihoods."""
    for precision in ("float32", "bfloat16"):
        config = place.config("main", SHORT | {"compute.precision": precision})
        images = place.number(IMAGES, 10)
        one, other = (
            digests(place, trained(place, config, order, images))
            for order in ([A, B, C], [A, C, B])
        )
        yield from _all_same(f"orders, {precision}", one, other)


def again(place: Place) -> Iterator[Finding]:
    """Two trainings in one process; and one that stops after task 0, and goes on from its files."""
    images = place.number(IMAGES, 10)
    for precision in place.precisions:
        config = place.config("main", SHORT | {"compute.precision": precision})
        first = digests(place, trained(place, config, [A, B], images))
        yield from _all_same(
            f"twice, {precision}", first, digests(place, trained(place, config, [A, B], images))
        )
        if precision == "bfloat16":
            stopped = trained(place, config, [A], images)
            with TemporaryDirectory(dir=place.out) as folder:
                base, bank = Path(folder) / "base", Path(folder) / "bank"
                save_file(module_tensors(stopped.base), base)
                save_file(module_tensors(stopped.banks[A]), bank)
                resumed = new_model(place, config, place.grid("main"))
                resumed.base.load_state_dict(load_file(base))
                resumed.new_bank(A).load_state_dict(load_file(bank))
            learn(place, resumed, B, images, Bench())
            yield from _all_same("after a resume", first, digests(place, resumed))


def captured(place: Place) -> Iterator[Finding]:
    """Steps replayed as CUDA graphs against the same steps one kernel at a time."""
    if not place.cuda:
        yield Skipped("captured steps against plain ones")
        return
    cases = [("main", precision) for precision in place.precisions]
    for profile, precision in (*cases, ("method_v1_6", "bfloat16"), ("quick", "float32")):
        changes = SHORT | {"multiscale": "off", "compute.precision": precision}
        config, refusals = place.config(profile, changes), list[str]()
        bench = Bench(refusals.append)
        one = digests(place, trained(place, config, [A, B, C], IMAGES, bench))
        found, name = refusals[0] if refusals else "captured", f"{profile} {precision}"
        yield Check(f"{name} steps are captured", not refusals, found, "captured")
        with replaced(Bench, "steps", _plain):
            other = digests(place, trained(place, config, [A, B, C], IMAGES))
        yield from _all_same(f"captured and plain, {name}", one, other)


def _plain(
    bench: Bench, model: MoLEFlow, task: Task, trained_base: nn.Module | None, *_: object
) -> Steps:
    return PlainSteps(model, model.base_of(task), model.banks[task], trained_base)


def streamed(place: Place) -> Iterator[Finding]:
    """Patches that do not fit on the device against those that do."""
    if not place.cuda:
        yield Skipped("streamed patches against resident ones")
        return
    config = place.config("main", SHORT | {"compute.precision": "bfloat16"})
    images = place.number(300, 10)
    found = {}
    for name, room in (("resident", 2**60), ("streamed", 0)):
        with replaced(train, "room_for_patches", lambda device, room=room: room):
            found[name] = digests(place, trained(place, config, [A, B], images))
    yield from _all_same("streamed and resident patches", found["resident"], found["streamed"])


def divergence(place: Place) -> Iterator[Finding]:
    """An infinite patch: reported with its step, and no parameter moves from then on."""
    for task in (A, B):
        config = place.config("main", SHORT)
        images = place.number(IMAGES, 10)
        model, twin = (_before(place, config, task, images) for _ in range(2))
        size = config.training.batch_size
        draws = torch_stream(*model.stream(task, "batches"))
        order = torch.randperm(images, generator=draws)
        patches = place.patches(config, task, images, model.grid)
        patches[order[size * (BAD_STEP - 1)]] = torch.inf
        used: list[Steps] = []
        told = _diverged(model, task, patches, used)
        stage = "adapter" if task == B else "base"
        wanted = str((task[0], 1, BAD_STEP))
        yield Check(f"{stage}: an infinite patch is told", told == wanted, told, wanted)
        by_hand = _steps_by_hand(twin, task, patches, order[: size * (BAD_STEP - 1)])
        yield same(
            f"{stage}: no byte of the bank moved from then on",
            *(module_digest(steps._bank) for steps in (*used, by_hand)),
        )
        yield same(
            f"{stage}: no byte of the base moved from then on",
            *(module_digest(m.base) for m in (model, twin)),
        )


def _before(place: Place, config: Config, task: Task, images: int) -> MoLEFlow:
    """A model that is about to learn a task."""
    if task == A:
        return new_model(place, config, place.grid("main"))
    return trained(place, config, [A], images)


def _diverged(model: MoLEFlow, task: Task, patches: Tensor, used: list[Steps]) -> str:
    """Train until it diverges; returns what is told of where."""
    make = Bench.steps

    def remembered(bench: Bench, *given: Any) -> Steps:
        used.append(make(bench, *given))
        return used[-1]

    try:
        with replaced(Bench, "steps", remembered):
            list(train_task(model, task, [patches]))
    except DivergedError as error:
        return str(tuple(error.numbers.get(name) for name in ("task", "epoch", "step")))
    return "no divergence"


def _steps_by_hand(model: MoLEFlow, task: Task, patches: Tensor, images: Tensor) -> Steps:
    """The steps of a task's first epoch on these images alone."""
    training, bank = model.config.training, model.new_bank(task)
    model.base.requires_grad_(task == A)
    like = patches[:1], batch_sizes(len(patches), training)
    steps = Bench().steps(model, task, model.base if task == A else None, like)
    steps.begin(bank)
    steps.optimizer.set_rate(learning_rate(training, 0, warm_up=task != A))
    for batch in images.split(training.batch_size):
        steps.run(patches[batch].to(model.device))
    return steps


def _all_same(name: str, one: dict[str, str], other: dict[str, str]) -> Iterator[Check]:
    assert one.keys() == other.keys()
    for part in one:
        yield same(f"{name}: {part}", one[part], other[part])
