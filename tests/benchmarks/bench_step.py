"""One training step of a later task against its own matrix products, and its optimizer's share.

    python tests/benchmarks/bench_step.py [--rounds N] [--threads N]

The products are those of forward and backward at the shapes of the model's own layers: a frozen
weight has no gradient, a low-rank update has that of its thin factors or of the whole matrix,
whichever is fewer multiplications. They write into memory that is already there.
"""

import argparse
import platform
from collections.abc import Callable, Iterator

import torch
from timing import fastest, print_table
from torch import nn

from moleflow import profiles
from moleflow.config import Config
from moleflow.device import keep_freed_memory
from moleflow.layers.products import thin_is_cheaper
from moleflow.model import MoLEFlow
from moleflow.tasks.bank import Bank
from moleflow.training.steps import PlainSteps
from search_spaces.quickstart import STUDY

GRID, BATCH = (28, 28), 16
FIRST, LATER = ("first",), ("later",)
TARGET, SHARE = 1.3, 0.05
Shape = tuple[int, int, int]
"""Rows, summed index, columns of one product."""


def new_step(
    config: Config, grid: tuple[int, int] = GRID
) -> tuple[MoLEFlow, PlainSteps, torch.Tensor]:
    """A model with a frozen base, steps of its second task, and a batch for them."""
    model = MoLEFlow(config, grid, 0, FIRST)
    model.new_bank(FIRST)
    steps = PlainSteps(model, model.base, model.new_bank(LATER), None)
    steps.optimizer.set_rate(config.training.lr)
    model.base.requires_grad_(False)
    draws = torch.Generator().manual_seed(0)
    stored = torch.randn(BATCH, *grid, config.patches.dim, generator=draws).half()
    return model, steps, stored


def product_shapes(model: MoLEFlow, bank: Bank) -> Iterator[Shape]:
    """Products of a step; every layer's input is worth a gradient, since the adapter is trained."""
    lora = model.config.lora
    rank = 0 if lora == "off" else lora.rank
    for block in model.base.blocks:
        for layer in block.subnet.children():
            assert isinstance(layer, nn.Linear)
            yield from _layer_shapes(layer.in_features, layer.out_features, rank)
    for layer in bank.dia.modules():
        if isinstance(layer, nn.Linear):
            yield from _layer_shapes(layer.in_features, layer.out_features, layer.in_features)


def _layer_shapes(inputs: int, outputs: int, rank: int) -> Iterator[Shape]:
    patches = BATCH * GRID[0] * GRID[1]
    yield patches, inputs, outputs
    yield patches, outputs, inputs
    if rank and thin_is_cheaper(outputs, inputs, rank):
        yield patches, inputs, rank
        yield patches, outputs, rank
        yield outputs, patches, rank
        yield rank, patches, inputs
    elif rank:
        yield outputs, patches, inputs


def products_alone(shapes: list[Shape], dtype: torch.dtype) -> Callable[[], object]:
    """The products laid out as the step has them: patches in rows, weights as (out, in)."""
    patches = BATCH * GRID[0] * GRID[1]
    memory: dict[Shape, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}
    for rows, summed, columns in dict.fromkeys(shapes):
        left, right = torch.randn(rows, summed, dtype=dtype), torch.randn(summed, columns).to(dtype)
        if summed == patches:
            left = torch.randn(summed, rows, dtype=dtype).t()
        memory[rows, summed, columns] = left, right, torch.empty(rows, columns, dtype=dtype)

    def run() -> None:
        for shape in shapes:
            left, right, out = memory[shape]
            torch.mm(left, right, out=out)

    return run


def measure(dim: int, precision: str, rounds: int) -> tuple[str, float, str, str]:
    """One row of the table."""
    config = profiles.main().updated({"patches.dim": dim, "compute.precision": precision})
    model, steps, stored = new_step(config)
    shapes = list(product_shapes(model, model.banks[LATER]))
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    sides = {"step": lambda: steps.run(stored), "products": products_alone(shapes, dtype)}
    times = fastest(sides, rounds)
    work = 2e-9 * sum(rows * summed * columns for rows, summed, columns in shapes)
    rate = f"{work / times['products']:.0f} GFLOP/s"
    ratio = times["step"] / times["products"]
    target = f"<= {TARGET}" if (dim, precision) == (768, "float32") else "-"
    case = f"step D {dim} {precision} (products {times['products']:.3f} s, {rate})"
    return case, times["step"], f"{ratio:.2f}", target


def optimizer_share(
    name: str, config: Config, grid: tuple[int, int], rounds: int
) -> tuple[str, float, str, str]:
    """One row of the table: clipping and the optimizer's own step, against the whole step."""
    _, steps, stored = new_step(config, grid)
    steps.run(stored)
    gradients = [parameter.grad for parameter in steps.optimizer.parameters]

    def move() -> None:
        for parameter, gradient in zip(steps.optimizer.parameters, gradients, strict=True):
            parameter.grad = gradient
        steps.optimizer.clip()
        steps.optimizer.step(steps.progress.keep_on)

    times = fastest({"step": lambda: steps.run(stored), "optimizer": move}, 20 * rounds, warm=5)
    share = times["optimizer"] / times["step"]
    return f"optimizer in a step, {name}", times["step"], f"{share:.3f}", f"<= {SHARE}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    fast = has_bfloat16_units()
    print(f"{platform.machine()}, {arguments.threads} threads, bfloat16 units: {fast}")
    cases = [(768, "float32"), (256, "float32"), (256, "bfloat16")]
    rows = [measure(dim, precision, arguments.rounds) for dim, precision in cases]
    for name, config, grid in (
        ("quickstart", STUDY.base, (8, 8)),
        ("quick", profiles.quick(), (12, 12)),
        ("D 256", profiles.main().updated({"patches.dim": 256}), GRID),
    ):
        rows.append(optimizer_share(name, config, grid, arguments.rounds))
    print_table(rows)


def has_bfloat16_units() -> bool:
    """Whether the processor multiplies bfloat16 itself; without, it is slower than float32."""
    cpu = torch.cpu.get_capabilities()
    return bool(cpu.get("avx512_bf16") or cpu.get("amx_bf16"))


if __name__ == "__main__":
    main()
