"""Memory that a trial takes on a GPU, by component, from its settings alone. Imports no torch.

N patches a step (images of a batch times the grid), D channels of a patch, h = D / 2, C channels of
raw maps; M coupling blocks, K blocks of the deep invertible adapter; k bytes of a product's factor
(2 in bfloat16, else 4); P parameters that a task trains. All results are in bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from moleflow.config import Config
from moleflow.config_parts import FilmConfig

AHEAD = 8
"""Batches of a block of streamed patches."""
BLOCKS = 3
"""Such blocks on the GPU at once: one in use, one that was, one that comes."""
SCORED = 16
"""Images of a batch that is scored; fewer where memory runs out."""
REAL = 4
"""Bytes of a number in float32."""
WORKSPACES = 96 * 2**20
"""Of cuBLAS, 32 MiB for each stream as `device.prepare` wants it: the usual, a capture's, its
warm-up's."""
CONTEXT = 700 * 2**20
"""What a process holds on a GPU before torch counts anything: CUDA's context and kernels."""
MOST_SHARES = 10
"""Trials on one GPU; more gain nothing."""

Layer = tuple[int, int]
"""Inputs and outputs of a linear layer."""


@dataclass(frozen=True)
class Footprint:
    """Peak memory of a trial by component, in bytes."""

    weights: int
    """Base, all banks, and the bank that captured steps train in place of a task's."""
    optimizer: int
    """Gradients' copy, their mean and mean square: 3 numbers per trained parameter."""
    patches: int
    """Stored patches of the largest task, all of them or three blocks of batches."""
    activations: int
    """Of a step: what the backward pass needs, what it works on, and gradients."""
    graphs: int
    """Batches at fixed addresses, parameters kept while a step is captured, cuBLAS's workspaces.

    The graphs' pools hold the activations too, between steps and while others are scored.
    """
    evaluation: int
    """Scoring a batch, without gradients."""

    @property
    def training(self) -> int:
        """Peak of what torch counts as allocated while a task is trained."""
        return self.weights + self.optimizer + self.patches + self.activations + self.graphs

    @property
    def total(self) -> int:
        """What a trial's share of a GPU must hold: the pools give nothing back to evaluation."""
        return self.training + self.evaluation


def footprint(
    config: Config, grid: tuple[int, int], images: Sequence[int], channels: int = 0
) -> Footprint:
    """With all patches of a task on the GPU.

    Args:
        images: training images of each task.
        channels: C.
    """
    base, bank = base_parameters(config, channels), bank_parameters(config)
    owners = len(images) if config.separate else 1
    largest = min(max(images), config.training.batch_size)
    batch = largest * grid[0] * grid[1]
    trained, steps = base + bank, [activations(config, batch, True, channels)]
    if len(images) > 1:
        whole = config.separate or not config.freeze_base
        steps.append(activations(config, batch, whole, channels))
    return Footprint(
        weights=REAL * (owners * base + (len(images) + 1) * bank),
        optimizer=3 * REAL * trained,
        patches=max(images) * _image(config, grid, channels),
        activations=max(steps),
        graphs=2 * largest * _image(config, grid, channels) + REAL * trained + WORKSPACES,
        evaluation=_scoring(config, SCORED * grid[0] * grid[1], channels),
    )


def streamed(
    need: Footprint, config: Config, grid: tuple[int, int], channels: int = 0
) -> Footprint:
    """As `need`, with patches that are sent in blocks."""
    block = AHEAD * config.training.batch_size * _image(config, grid, channels)
    return replace(need, patches=min(need.patches, BLOCKS * block))


def shares(need: Footprint, memory: int) -> int:
    """How many such trials a GPU of so many bytes holds, at most ten; 0: not one.

    Patches may take half of what is left, or else they are streamed (`room_for_patches`).
    """
    for count in range(MOST_SHARES, 0, -1):
        share = int(gpu_share(count) * memory) - CONTEXT
        if need.total <= share and 2 * need.patches <= share - need.weights:
            return count
    return 0


def gpu_share(trials: int) -> float:
    """GPUs of a trial of so many on one, as `--gpus-per-trial` is told: two decimals."""
    return 100 // trials / 100


def activations(config: Config, patches: int, base_too: bool, channels: int = 0) -> int:
    """Peak of a step: saved tensors, tensors of one block's backward pass, gradients.

    Args:
        patches: N.
        base_too: whether the base is trained with the bank.
    """
    dim, half, kept = config.patches.dim, config.patches.dim // 2, _kept(config)
    trained = bank_parameters(config) + (base_parameters(config, channels) if base_too else 0)
    # Of a block: gradients of its output and input, of s and u, of two hidden layers, of its nets'
    # input and of the shift's.
    working = patches * (2 * REAL * dim + 7 * kept * half)
    # The optimizer's own: old and new parameters, directions, and three temporaries.
    moving = 6 * REAL * trained
    return max(saved(config, patches, base_too, channels) + working, moving) + REAL * trained


def saved(config: Config, patches: int, base_too: bool, channels: int = 0) -> int:
    """What the forward pass of a step keeps for the backward pass, by our GPU kernels."""
    return patches * _saved_per_patch(config, base_too, channels) + _merged_weights(config)


def _per_block(config: Config, base_too: bool) -> int:
    """A block keeps its input, its nets' input, s, and two hidden layers of width D."""
    dim, kept = config.patches.dim, _kept(config)
    whole, seen = REAL * dim, _given(config, config.flow.context_kernel)
    block = whole + seen + kept * (dim // 2) + 2 * kept * dim
    return block + whole if config.flow.train_global_affine and base_too else block


def _per_dia(config: Config) -> int:
    """Its input, its nets' input, s, and two hidden layers of width h in each of two nets."""
    half, kept = config.patches.dim // 2, _kept(config)
    given = _given(config, config.dia.context_kernel)
    return REAL * config.patches.dim + given + kept * half + 4 * kept * half


def _given(config: Config, context_kernel: int) -> int:
    """The given half and its context, or that half where it is not kept as it is."""
    half, kept = config.patches.dim // 2, _kept(config)
    if context_kernel:
        return 2 * kept * half
    return kept * half if kept != REAL else 0


def _saved_per_patch(config: Config, base_too: bool, channels: int) -> int:
    dim, whole = config.patches.dim, REAL * config.patches.dim
    total = config.flow.blocks * _per_block(config, base_too) + whole  # and z itself
    total += config.dia.blocks * _per_dia(config)
    if isinstance(config.adapter, FilmConfig):
        total += 4 * whole + 4 * REAL * _film_width(dim)
    elif config.adapter != "none":
        total += whole + 2 * REAL  # LayerNorm's input, mean and deviation
    if config.mixer.kernel and (base_too or config.mixer.gate == "task"):
        total += whole
    if config.multiscale != "off" and base_too:
        total += REAL * (dim + channels) + whole
    return total


def _merged_weights(config: Config) -> int:
    """Weights with their low-rank update, in the products' number format."""
    half, kept = config.patches.dim // 2, _kept(config)
    blocks = config.flow.blocks * sum(i * o for i, o in block_layers(config))
    layers = 7 if config.dia.context_kernel else 6
    dia = (layers if kept != REAL else 1) * config.dia.blocks * half**2
    return kept * (blocks + dia)


def _scoring(config: Config, patches: int, channels: int) -> int:
    """A block's input, output and what its nets hold, beside the stored patches in float32."""
    dim, half = config.patches.dim, config.patches.dim // 2
    return patches * (REAL * (dim + channels) + 3 * REAL * dim + 6 * _kept(config) * half)


def base_parameters(config: Config, channels: int = 0) -> int:
    """Parameters of a base."""
    dim, half, flow = config.patches.dim, config.patches.dim // 2, config.flow
    block = sum(i * o + o for i, o in block_layers(config))
    block += half * flow.context_kernel**2 + 1 if flow.context_kernel else 0
    block += 2 * dim if flow.train_global_affine else 0
    total, kernel = flow.blocks * block, config.mixer.kernel
    if kernel:
        total += dim * kernel**2 + dim + (config.mixer.gate == "base")
    if config.multiscale != "off":
        total += channels * dim + dim + dim * config.multiscale.kernel**2 + dim
    return total


def bank_parameters(config: Config) -> int:
    """Parameters of a task's bank."""
    dim = config.patches.dim
    rank = 0 if config.lora == "off" else config.lora.rank
    slots = sum(rank * (i + o) + (o if config.task_bias else 0) for i, o in block_layers(config))
    total = config.flow.blocks * slots + config.dia.blocks * _dia_block(config)
    total += bool(config.mixer.kernel) and config.mixer.gate == "task"
    if isinstance(config.adapter, FilmConfig):
        width = _film_width(dim)
        return total + 4 * dim + 1 + sum(i * o + o for i, o in film_layers(dim, width))
    return total + (0 if config.adapter == "none" else 2 * dim)


def _dia_block(config: Config) -> int:
    half, kernel = config.patches.dim // 2, config.dia.context_kernel
    return 6 * (half**2 + half) + (half**2 + half * kernel**2 + 1 if kernel else 0)


def block_layers(config: Config) -> list[Layer]:
    """Linear layers of a coupling block's subnet: those of the scale, then those of the shift."""
    half = config.patches.dim // 2
    seen = 2 * half if config.flow.context_kernel else half
    return [(seen, 2 * half), (2 * half, half), (half, 2 * half), (2 * half, half)]


def film_layers(dim: int, width: int) -> Iterator[Layer]:
    """Linear layers of a FiLM adapter."""
    yield from ((dim, width), (width, width), (width, dim))


def _film_width(dim: int) -> int:
    return max(dim // 2, 128)


def _image(config: Config, grid: tuple[int, int], channels: int) -> int:
    """A picture's patches as they are stored."""
    size = 2 if config.patches.dtype == "float16" else 4
    return grid[0] * grid[1] * (config.patches.dim + channels) * size


def _kept(config: Config) -> int:
    return 2 if config.compute.precision == "bfloat16" else REAL
