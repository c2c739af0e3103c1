"""What training costs: steps against their floor, a whole sequence, and two trials on one GPU."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import profiler

from moleflow.config import Config
from moleflow.data.sequences import Task
from moleflow.layers.precision import products as rounded_products
from moleflow.model import MoLEFlow
from moleflow.tasks.freeze import Frozen
from moleflow.training import train
from moleflow.training.footprint import footprint
from moleflow.training.lanes import Bench
from moleflow.training.steps import CapturedSteps, Steps
from moleflow.training.train import train_tasks
from tests.gpu.findings import Figure, Finding, same
from tests.gpu.floor import floor
from tests.gpu.place import A, B, Place, new_model, replaced

MVTEC = (209, 219, 220, 224, 230, 240, 245, 247, 264, 267, 280, 320, 391, 60, 213)
"""Training pictures of the 15 classes of MVTec AD: 3,629."""
TARGETS = {"bfloat16": 60.0, "tf32": 90.0}
"""Seconds that a sequence's training may take."""
FEWER = 6
"""Epochs of the sequence in TF32, which stand for all of them."""
HOST = {
    "compiling and capturing": (CapturedSteps, "capture"),
    "sending patches": (train, "task_patches"),
    "new banks": (MoLEFlow, "fresh_bank"),
    "keeping frozen bytes": (Frozen, "add"),
    "comparing frozen bytes": (Frozen, "check"),
}
"""What the host does beside queueing steps."""
PROFILES = ("main", "high_res", "quick", "method_v1_6")
REPLAYS, MOST, NAME = 4, 24, 60
"""Steps that are looked into, kernels that are told, and letters of their names."""
MIB, GIB = 2**20, 2**30
ROOT = Path(__file__).parents[2]


def ceilings(place: Place) -> Iterator[Finding]:
    """Fastest product of large square matrices in each precision, and fastest copy."""
    side, size = place.number(8192, 128), place.number(GIB, MIB)
    for precision in place.precisions:
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        one, other, out = (
            torch.ones(side, side, device=place.device, dtype=dtype) for _ in range(3)
        )
        with rounded_products(precision):
            seconds = _least(place, lambda a=one, b=other, c=out: torch.mm(a, b, out=c))
        place.measured[precision] = 2 * side**3 / seconds
        yield Figure(f"product {precision}", {"TFLOP/s": 2e-12 * side**3 / seconds})
    source = torch.ones(size, device=place.device, dtype=torch.uint8)
    target = torch.empty_like(source)
    seconds = _least(place, lambda: target.copy_(source))
    place.measured["copy"] = 2 * size / seconds
    yield Figure("copy, bytes read and written", {"GB/s": 2e-9 * size / seconds})


def _least(place: Place, run: Callable[[], object], rounds: int = 8) -> float:
    """Seconds of the fastest round."""
    best = float("inf")
    for _ in range(rounds):
        place.wait()
        start = time.perf_counter()
        run()
        place.wait()
        best = min(best, time.perf_counter() - start)
    return best


def steps(place: Place) -> Iterator[Finding]:
    """Milliseconds of a step of a full batch, its floor, and what the host does for it."""
    if not place.measured:
        list(ceilings(place))
    for profile in PROFILES[: place.number(len(PROFILES), 1)]:
        for precision in place.precisions:
            config = place.config(profile, {"compute.precision": precision})
            for task, stage in ((A, "base"), (B, "adapter")):
                values = _step(place, config, profile, task)
                yield Figure(f"step {profile} {precision} {stage}, ms", values)


def _step(place: Place, config: Config, profile: str, task: Task) -> dict[str, float | str]:
    grid, channels = place.grid(profile), place.channels(profile)
    size, notes = config.training.batch_size, list[str]()
    steps, batch = _ready(place, config, profile, task, Bench(notes.append))
    once = _least(place, lambda: steps.run(batch), place.number(3, 1))
    count = 1 if place.tiny else min(40, max(3, int(0.3 / once)))

    def many() -> None:
        for _ in range(count):
            steps.run(batch)

    start = time.perf_counter()
    many()
    host = (time.perf_counter() - start) / count
    taken = _least(place, many, place.number(2, 1)) / count
    assert steps.progress.read().bad is None
    found = floor(config, size * grid[0] * grid[1], task == A, channels, place.measured)
    values: dict[str, float | str] = {
        "taken": 1e3 * taken,
        **found,
        "times its floor": 1e3 * taken / max(found.values()),
        "host": 1e3 * host,
    }
    return values | ({"not captured": notes[0]} if notes else {})


def _ready(
    place: Place, config: Config, profile: str, task: Task, bench: Bench
) -> tuple[Steps, torch.Tensor]:
    """Steps of a first or later task, and a full batch on the device."""
    grid, channels = place.grid(profile), place.channels(profile)
    model = new_model(place, config, grid, A, channels)
    for known in (A, B)[: 1 if task == A else 2]:
        model.new_bank(known)
    model.base.requires_grad_(task == A)
    size = config.training.batch_size
    shape = (size, *grid, config.patches.dim + channels)
    draws = torch.Generator(place.device).manual_seed(3)
    batch = torch.randn(shape, generator=draws, device=place.device).half()
    steps = bench.steps(model, task, model.base if task == A else None, (batch[:1], [size]))
    steps.begin(model.banks[task])
    steps.optimizer.set_rate(1e-4)
    return steps, batch


def kernels(place: Place) -> Iterator[Finding]:
    """Where the time of a later step of `main` goes: the kernels that take most of it."""
    for precision in place.precisions[1:]:
        config = place.config("main", {"compute.precision": precision})
        steps, batch = _ready(place, config, "main", B, Bench())
        steps.run(batch)
        place.wait()
        activity = profiler.ProfilerActivity
        with profiler.profile(activities=[activity.CUDA if place.cuda else activity.CPU]) as seen:
            for _ in range(REPLAYS):
                steps.run(batch)
            place.wait()
        yield Figure(f"kernels of a later step, main {precision}, us", _by_kernel(place, seen))


def _by_kernel(place: Place, seen: profiler.profile) -> dict[str, float | str]:
    """Microseconds of a step by kernel and how often it runs, the longest first, and of all."""
    taken = "self_device_time_total" if place.cuda else "self_cpu_time_total"
    times = {(one.key, one.count): getattr(one, taken) for one in seen.key_averages()}
    times = {which: taken for which, taken in times.items() if taken}
    values: dict[str, float | str] = {"all": sum(times.values()) / REPLAYS}
    values["in number"] = sum(count for _, count in times) / REPLAYS
    longest = sorted(times, key=lambda which: -times[which])[:MOST]
    return values | {
        f"{name[:NAME]} x {count / REPLAYS:g}": times[name, count] / REPLAYS
        for name, count in longest
    }


def sequence(place: Place) -> Iterator[Finding]:
    """15 classes of MVTec AD's sizes at `main`: bfloat16 in full, TF32 by fewer epochs."""
    for precision in ("bfloat16", "tf32"):
        if precision in place.precisions:
            shorter = place.tiny or precision == "tf32"
            yield _sequence(place, precision, shorter)


def _sequence(place: Place, precision: str, shorter: bool) -> Figure:
    config = place.config("main", {"compute.precision": precision})
    epochs = config.training.epochs
    run = min(epochs, place.number(FEWER, 2)) if shorter else epochs
    config = config.updated({"training.epochs": run, "training.warmup_epochs": 1})
    sizes, grid = (tuple(n // 100 + 1 for n in MVTEC) if place.tiny else MVTEC), place.grid("main")
    model, notes = new_model(place, config, grid, ("class 0",)), list[str]()
    bench = Bench(notes.append)
    if place.cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    tasks = [(f"class {number}",) for number in range(len(sizes))]
    parts = [[place.patches(config, t, n, grid)] for t, n in zip(tasks, sizes, strict=True)]
    place.wait()
    with ExitStack() as watched:
        spent = {name: watched.enter_context(_spent(*where)) for name, where in HOST.items()}
        start = time.perf_counter()
        within = sum(
            end.seconds for _, end in train_tasks(model, zip(tasks, parts, strict=True), bench)
        )
        place.wait()
        whole = time.perf_counter() - start
    beside = whole - within
    values: dict[str, float | str] = {
        "seconds": beside + within * epochs / run,
        "of which beside epochs": beside,
        "an epoch of all classes": within / run,
        "pictures": sum(sizes),
        "said": f"all {epochs} epochs run"
        if run == epochs
        else f"{run} of {epochs} epochs run, the seconds within epochs scaled to all",
        "captured": notes[0] if notes else ("yes" if place.cuda else "no: needs CUDA"),
    }
    values |= {f"host, {name}": sum(seconds) for name, seconds in spent.items()}
    if not place.tiny:
        values["target"] = TARGETS[precision]
    if place.cuda:
        values["allocated at most, GiB"] = torch.cuda.max_memory_allocated() / GIB
        values["reserved at most, GiB"] = torch.cuda.max_memory_reserved() / GIB
        values["told, GiB"] = footprint(config, grid, sizes).training / GIB
    return Figure(f"sequence of 15 classes, main, {precision}", values)


@contextmanager
def _spent(owner: Any, name: str) -> Iterator[list[float]]:
    """Seconds of each call of a function, as its caller has them."""
    function, seconds = getattr(owner, name), list[float]()

    def watched(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            seconds.append(time.perf_counter() - start)

    with replaced(owner, name, watched):
        yield seconds


def processes(place: Place) -> Iterator[Finding]:
    """Two trials in two processes that share the device, against one alone: bits and throughput."""
    command = [sys.executable, "-m", "tests.gpu.worker", place.device.type]
    command += ["tiny" if place.tiny else "full", str(place.out)]
    with ExitStack() as running:
        workers = [running.enter_context(_Worker(command)) for _ in range(3)]
        for worker in workers:
            assert worker.read() == {"ready": True}
        for profile, precision in (("main", "bfloat16"), ("quick", "float32")):
            asked = f"{profile} {precision}"
            workers[0].ask(asked)
            alone = workers[0].read()
            for worker in workers[1:]:
                worker.ask(asked)
            both = [worker.read() for worker in workers[1:]]
            for part, digest in alone["digests"].items():
                others = [one["digests"][part] for one in both]
                yield same(f"two processes on one device, {asked}: {part}", digest, *others)
            together = sum(one["rate"] for one in both)
            values = {"alone": alone["rate"], "two together": together}
            values["times"] = together / alone["rate"]
            yield Figure(f"pictures per second, {asked}", values)


class _Worker:
    """A process that trains when it is asked to."""

    def __init__(self, command: list[str]):
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with {self._process.wait()}")
        return json.loads(line)
