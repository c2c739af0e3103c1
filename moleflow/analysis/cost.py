"""What a sequence costs: parameters, memory, training time, time per picture.

Source: docs/method.md, 11.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from moleflow.analysis.subject import Analysis, Subject
from moleflow.drawing import INK, PALETTE, canvas, guides, house_style, log_x, named_rows
from moleflow.evaluation import SCORING_BATCH
from moleflow.scoring import anomaly_maps, image_scores, patch_scores
from moleflow.types import Tensor

REPEATS = 5
MEBIBYTE = 2**20
TIMES = ("features [s]", "training [s]", "evaluation [s]")
MEMORY = ("base [bytes]", "banks [bytes]", "router [bytes]")
NOTES = (
    "Parameters: trained numbers. Bytes: what a saved sequence must hold after T tasks: parameters "
    "and buffers of bases and banks, and the router's mean and Cholesky factor of every task "
    "(float64). “separate flows” is T times one base: what a whole flow per task would take.",
    "Seconds are wall times of the trial's stages, as recorded; of a second in which n tasks were "
    "trained side by side, each has 1/n. Features of a class that were "
    "already in the store were only read. A stage without a record is missing.",
)
MEMORY_NOTE = "Largest resident memory of the trial's process: {mebibytes:.0f} MiB (recorded)."
NO_MEMORY_NOTE = "The largest resident memory of the trial was not recorded: missing."
SPEED_NOTE = (
    "ms per picture, measured now: device {device}, {threads} threads, batches of {batch}, "
    f"{REPEATS} repeats after a warm-up (median, smallest, largest). Without the backbone, whose "
    "features were read from the store: “density” is flow and bank up to patch scores, “map” the "
    "image score and the smoothed anomaly map, “routing” the distances to all {tasks} tasks."
)


def cost(subject: Subject) -> Analysis:
    """Parameters by component, bytes against T, seconds per task, ms per picture, peak memory."""
    parameters = pd.DataFrame(
        _parameter_rows(subject), columns=["owner", "component", "parameters", "bytes"]
    )
    memory = pd.DataFrame(
        _memory_rows(subject),
        columns=["tasks", *MEMORY, "total [bytes]", "separate_flows [bytes]"],
    )
    times = pd.DataFrame(_time_rows(subject), columns=["task", *TIMES])
    speed = pd.DataFrame(
        _speed_rows(subject),
        columns=["part", "median [ms]", "smallest [ms]", "largest [ms]", "pictures", "repeats"],
    )
    speed_note = SPEED_NOTE.format(
        device=_device_name(subject.model.device),
        threads=torch.get_num_threads(),
        batch=SCORING_BATCH,
        tasks=len(subject.sequence),
    )
    mebibytes = subject.peak_memory / MEBIBYTE
    known = MEMORY_NOTE.format(mebibytes=mebibytes) if subject.peak_memory else NO_MEMORY_NOTE
    return Analysis(
        "cost",
        "Cost",
        {
            "cost": parameters,
            "cost_memory": memory,
            "cost_seconds": times,
            "cost_ms_per_picture": speed,
        },
        {
            "cost": "Parameters by component",
            "cost_memory": "Bytes after so many tasks",
            "cost_seconds": "Wall seconds of every task",
            "cost_ms_per_picture": "Milliseconds per picture",
        },
        _figure(parameters, memory, times),
        "parameters; MiB; s",
        f"{len(times)} tasks",
        _finding(memory),
        (*NOTES, speed_note, known),
    )


def _finding(memory: pd.DataFrame) -> str:
    last = memory.iloc[-1]
    whole, separate = last["total [bytes]"], last["separate_flows [bytes]"]
    return (
        f"{int(last['tasks'])} tasks take {whole / MEBIBYTE:.1f} MiB with the router; a flow for "
        f"each would take {separate / MEBIBYTE:.1f} MiB."
    )


def _parameter_rows(subject: Subject) -> Iterator[tuple[Any, ...]]:
    model = subject.model
    for task, base in model.bases.items():
        owner = f"base of {'+'.join(task)}" if model.config.separate else "base"
        groups: dict[str, list[Tensor]] = {}
        for name, parameter in base.named_parameters():
            groups.setdefault(_base_component(name), []).append(parameter)
        yield from ((owner, name, *_size(found)) for name, found in groups.items())
    for task, name in zip(subject.sequence, subject.tasks, strict=True):
        bank = model.banks[task]
        width = max((p.element_size() for p in bank.parameters()), default=0)
        for part, count in bank.parameter_counts().items():
            yield f"bank of {name}", part, count, count * width


def _base_component(name: str) -> str:
    """Component of a base's parameter by its dotted name."""
    for part, component in (
        (".subnet.context", "context"),
        (".subnet.theta", "context"),
        (".subnet.", "subnets"),
        (".affine.", "global_affine"),
    ):
        if part in name:
            return component
    return name.split(".")[0]


def _size(tensors: Iterable[Tensor]) -> tuple[int, int]:
    kept = list(tensors)
    return sum(t.numel() for t in kept), sum(t.numel() * t.element_size() for t in kept)


def _module_bytes(module: nn.Module) -> int:
    return _size(module.state_dict().values())[1]


def _memory_rows(subject: Subject) -> Iterator[tuple[int, ...]]:
    model = subject.model
    one_base = _module_bytes(model.base)
    bases = banks = router = 0
    for t, (task, prototype) in enumerate(
        zip(subject.sequence, subject.prototypes, strict=True), start=1
    ):
        if t == 1 or model.config.separate:
            bases += _module_bytes(model.base_of(task))
        banks += _module_bytes(model.banks[task])
        factor = [] if prototype.cholesky is None else [prototype.cholesky]
        router += _size([prototype.mean, *factor])[1]
        yield t, bases, banks, router, bases + banks + router, t * one_base


def _time_rows(subject: Subject) -> Iterator[tuple[Any, ...]]:
    known = subject.seconds
    for t, (task, name) in enumerate(zip(subject.sequence, subject.tasks, strict=True)):
        features = sum(known.get(("features", c), math.nan) for c in task)
        training = known.get(("adapter" if t else "base", name), math.nan)
        yield name, features, training, known.get(("evaluation", name), math.nan)


def _speed_rows(subject: Subject) -> Iterator[tuple[Any, ...]]:
    model, config, task = subject.model, subject.model.config, subject.sequence[0]
    test = subject.features[task[0]].test
    stored, means = test.patches[:SCORING_BATCH], test.means[:SCORING_BATCH].double()

    @torch.inference_mode()
    def density() -> Tensor:
        log_p, logdet = model.log_likelihood(stored.to(model.device, torch.float32), task)
        return patch_scores(log_p, logdet, config.scoring).cpu()

    scores = density()

    def pictures() -> None:
        image_scores(scores, config.scoring)
        anomaly_maps(scores.to(model.device), config.map_size, config.scoring).cpu()

    def route() -> None:
        for prototype in subject.prototypes:
            prototype.squared_distance(means)

    for part, work in (("density", density), ("map", pictures), ("routing", route)):
        taken = 1000 * np.array(_timed(work)) / len(stored)
        yield part, float(np.median(taken)), taken.min(), taken.max(), len(stored), REPEATS


def _timed(work: Callable[[], object]) -> list[float]:
    """Seconds of each repeat. Results come to the CPU within the work, so a GPU has finished."""
    work()
    found: list[float] = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _figure(parameters: pd.DataFrame, memory: pd.DataFrame, times: pd.DataFrame) -> Figure:
    with house_style():
        figure = canvas(11.5, max(3.4, 1.4 + 0.22 * len(times)))
        axes = figure.subplots(1, 3)
        _draw_parameters(axes[0], parameters)
        _draw_memory(axes[1], memory)
        _draw_times(axes[2], times)
    return figure


def _draw_parameters(ax: Axes, parameters: pd.DataFrame) -> None:
    """The base, and the mean over the banks."""
    bank = parameters["owner"].str.startswith("bank of ")
    base = parameters[~bank].groupby("component", sort=False)["parameters"].mean()
    mean = parameters[bank].groupby("component", sort=False)["parameters"].mean()
    names = [f"base: {c}" for c in base.index] + [f"bank: {c}" for c in mean.index]
    values = np.concatenate([base.to_numpy(float), mean.to_numpy(float)])
    colours = [PALETTE[6]] * len(base) + [PALETTE[0]] * len(mean)
    shown = values > 0
    ax.barh(range(shown.sum()), values[shown], color=np.array(colours)[shown], height=0.7)
    named_rows(ax, [name.replace("_", " ") for name, s in zip(names, shown, strict=True) if s])
    log_x(ax)
    ax.set_xlabel("parameters")
    ax.set_title("Parameters of a base and of a bank\n(mean over tasks)")


def _draw_memory(ax: Axes, memory: pd.DataFrame) -> None:
    guides(ax)
    tasks = memory["tasks"].to_numpy()
    parts = memory[list(MEMORY)].to_numpy(float).T / MEBIBYTE
    names = [name.removesuffix(" [bytes]") for name in MEMORY]
    colours = (PALETTE[6], PALETTE[0], PALETTE[4])
    bottom = np.zeros(len(tasks))
    for part, name, color in zip(parts, names, colours, strict=True):
        ax.bar(tasks, part, bottom=bottom, color=color, width=0.75, label=name)
        bottom = bottom + part
    separate = memory["separate_flows [bytes]"].to_numpy(float) / MEBIBYTE
    ax.plot(tasks, separate, "o--", color=INK, lw=1, ms=3, label="separate flows")
    ax.set_ylim(0, 1.35 * max(separate.max(), bottom.max()))
    ax.locator_params(axis="x", integer=True)
    ax.legend(loc="upper left")
    ax.set_xlabel("tasks learned")
    ax.set_ylabel("MiB")
    ax.set_title("Memory against tasks")


def _draw_times(ax: Axes, times: pd.DataFrame) -> None:
    left = np.zeros(len(times))
    for name, color in zip(TIMES, (PALETTE[6], PALETTE[0], PALETTE[4]), strict=True):
        width = times[name].fillna(0).to_numpy(float)
        label = name.removesuffix(" [s]")
        ax.barh(range(len(times)), width, left=left, height=0.7, color=color, label=label)
        left = left + width
    named_rows(ax, list(times["task"]))
    ax.set_xlabel("s")
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=3)
    ax.set_title("Wall time by task\n(what was not recorded is left out)")
