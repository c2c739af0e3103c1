"""The least time that a step can take: its arithmetic, or its bytes, whichever takes longer.

N patches, D channels, h = D / 2. Every layer's input is worth a gradient, since an adapter before
it is trained. Products are separate kernels: each reads its two factors and writes its result once,
in the products' number format (sums of a weight's gradient in float32). Between the products, once:
a block's convolution reads h and writes D; its coupling reads patches, s and u and writes patches,
and backward reads two of them and s and writes patches and two gradients; the optimizer reads four
numbers of each parameter and writes three. All else (loss, LayerNorm, mixer) is left out.
"""

from collections.abc import Iterator, Mapping

from moleflow.config import Config
from moleflow.config_parts import FilmConfig
from moleflow.training.footprint import (
    bank_parameters,
    base_parameters,
    block_layers,
    film_layers,
)

Product = tuple[int, int, int]
"""Rows, summed index, columns."""


def products(config: Config, patches: int, base_too: bool, channels: int = 0) -> Iterator[Product]:
    """All matrix products of a step over this many patches."""
    dim, half = config.patches.dim, config.patches.dim // 2
    rank = 0 if config.lora == "off" else config.lora.rank
    for _ in range(config.flow.blocks):
        for inputs, outputs in block_layers(config):
            yield from _input_products(patches, inputs, outputs)
            yield from _weight_products(patches, inputs, outputs, rank, base_too)
    for _ in range(6 * config.dia.blocks):
        yield from _input_products(patches, half, half)
        yield half, patches, half
    if isinstance(config.adapter, FilmConfig):
        for inputs, outputs in film_layers(dim, max(half, 128)):
            yield from _input_products(patches, inputs, outputs)
            yield outputs, patches, inputs
    if config.multiscale != "off":
        yield patches, channels, dim
        if base_too:
            yield dim, patches, channels


def _input_products(patches: int, inputs: int, outputs: int) -> Iterator[Product]:
    yield patches, inputs, outputs
    yield patches, outputs, inputs


def _weight_products(
    patches: int, inputs: int, outputs: int, rank: int, weight_too: bool
) -> Iterator[Product]:
    """By thin products where only the low-rank update is trained and they are fewer."""
    if weight_too or (rank and 2 * rank * (inputs + outputs) >= inputs * outputs):
        yield outputs, patches, inputs
    elif rank:
        yield patches, outputs, rank
        yield patches, inputs, rank
        yield rank, patches, inputs
        yield outputs, patches, rank


def operations(config: Config, patches: int, base_too: bool, channels: int = 0) -> int:
    """Multiplications and additions of a step's products."""
    return sum(2 * m * k * n for m, k, n in products(config, patches, base_too, channels))


def moved_bytes(config: Config, patches: int, base_too: bool, channels: int = 0) -> int:
    """Bytes that a step reads and writes."""
    kept = 2 if config.compute.precision == "bfloat16" else 4
    dim, half = config.patches.dim, config.patches.dim // 2
    total = 0
    for m, k, n in products(config, patches, base_too, channels):
        total += kept * (m * k + k * n) + (4 if k == patches else kept) * m * n
    couplings = config.flow.blocks + config.dia.blocks
    total += couplings * patches * (5 * 4 * dim + 5 * kept * half)
    if config.flow.context_kernel:
        total += config.flow.blocks * patches * 2 * (4 * half + kept * dim)
    trained = bank_parameters(config) + (base_parameters(config, channels) if base_too else 0)
    return total + 7 * 4 * trained


def floor(
    config: Config,
    patches: int,
    base_too: bool,
    channels: int,
    ceilings: Mapping[str, float],
) -> dict[str, float]:
    """Milliseconds of arithmetic and of bytes.

    Args:
        ceilings: operations per second by precision, and bytes per second as `copy`.
    """
    rate = ceilings[config.compute.precision]
    return {
        "arithmetic": 1e3 * operations(config, patches, base_too, channels) / rate,
        "bytes": 1e3 * moved_bytes(config, patches, base_too, channels) / ceilings["copy"],
    }
