"""The parts of a trial's settings; `config.py` puts them together.

Every choice that the papers make differently is a field here, and a profile (`profiles.py`) fixes
it. Defaults are those of the profile `main` and stand nowhere else.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from moleflow.settings import Settings

Bits = Annotated[int, Field(ge=8, le=16)]
Precision = Literal["float32", "tf32", "bfloat16"]
"""How factors of a product are rounded: not at all, to 10 bits inside of a GPU, to 7 bits."""
Kernel = Annotated[int, Field(ge=0, le=31)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Limit = Annotated[float, Field(ge=1e-3, le=1e3)]
"""Of a log-scale; its inverse, too, is a factor of matrix products."""
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(gt=0)]


class ImageConfig(Settings):
    """From a file to a square tensor (docs/method.md, 1.1)."""

    size: Count = 224
    """Side S of the square that images and masks are resized to, in pixels."""
    resize: Literal["squash", "crop"] = "squash"
    """`squash` stretches to S x S; `crop` resizes the short side to S and cuts out the centre."""
    bits: Bits | Literal["auto"] = "auto"
    """Bits that the values of 16-bit files use; the highest 8 of them are kept, larger values are
    white. `auto`: the fewest of 8, 10, 12, 14 and 16 that hold the class's training pictures."""


class DataConfig(Settings):
    """Which training pictures are used; features are made of all of them, and shared."""

    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of each class's training pictures, at least two; the smaller is part of the larger."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of each class's training pictures that is never trained on, but two at least, and that
    a selection score is measured on (docs/search.md); `fraction` is one of the others."""
    seed: Annotated[int, Field(ge=0)] = 0
    """What both shares are drawn from; neither the training seed nor that of orders."""


class BackboneConfig(Settings):
    """The frozen feature extractor (docs/method.md, 1.2)."""

    name: str = "wide_resnet50_2"
    """Name of a timm model."""
    weights: str = "pretrained"
    """`pretrained` (timm's own), `random` (untrained, seeded), or a .safetensors file's path."""
    stages: Annotated[tuple[str, ...], Field(min_length=1)] = ("layer2", "layer3")
    """Stages whose maps are used, finest first: `layer2` of a CNN, `blocks.8` of a ViT."""
    random_seed: int = 0
    """Seed of untrained weights; part of the features' identity, not of the trial's seed."""
    precision: Precision = "float32"
    """How the backbone's products round their factors, as in `compute.precision`."""


class PatchConfig(Settings):
    """From backbone maps to one vector per patch (docs/method.md, 1.3)."""

    dim: Count = 768
    """Channels D of a patch vector; divisible by 4."""
    grid: Literal["first", "last"] = "first"
    """Stage whose grid is used: `first` 28 x 28, `last` 14 x 14, at 224 px with layer2, layer3."""
    neighbourhood: Count = 3
    """Side of the square of map positions gathered for a patch; odd."""
    dtype: Literal["float16", "float32"] = "float16"
    """Number format of stored features. Computation is in float32."""


class MultiscaleConfig(Settings):
    """Multi-scale context, DWConv(Linear(raw maps)) (docs/method.md, 1.6)."""

    kernel: Annotated[int, Field(ge=1, le=31)] = 5
    """Side of the depth-wise convolution; odd."""


class WhiteningConfig(Settings):
    """Whitening adapter, WA: LayerNorm, bounded scale and shift (docs/method.md, 2.1)."""

    kind: Literal["whitening"] = "whitening"
    """Which adapter this is."""
    gamma: tuple[Positive, Positive] = (0.5, 2.0)
    """Lowest and highest scale."""
    beta: Positive = 2.0
    """Largest absolute shift."""
    bounds: Literal["bounded", "none"] = "bounded"
    """`none` lets scale and shift run free."""
    init: Literal["middle", "task0"] = "middle"
    """How later tasks begin: in the middle of the bounds, or as a copy of task 0's adapter."""
    identity_weight: NonNegative = 0.1
    """Weight of the pull to scale 1 and shift 0: on task 0, and later tasks with init `task0`."""

    @model_validator(mode="after")
    def _ordered(self) -> "WhiteningConfig":
        low, high = self.gamma
        if not low < 1 < high:
            raise ValueError("gamma must be [low, high] with low < 1 < high")
        return self


class FilmConfig(Settings):
    """FiLM adapter: LayerNorm with affine, scale and shift, gated MLP (docs/method.md, 2.2)."""

    kind: Literal["film"] = "film"
    """Which adapter this is."""
    gate: float = 0.5
    """Start of g; the MLP's output is weighted with sigmoid(g)."""
    identity_share: Fraction = 0.9
    """Share of the untouched patch in task 0's adapter; later tasks have none."""


def _adapter_kind(value: Any) -> str | None:
    if isinstance(value, Settings):
        return type(value).__name__
    names = {"whitening": "WhiteningConfig", "film": "FilmConfig", "none": "none"}
    return names.get(str(value.get("kind") if isinstance(value, Mapping) else value))


Adapter = Annotated[
    Annotated[WhiteningConfig, Tag("WhiteningConfig")]
    | Annotated[FilmConfig, Tag("FilmConfig")]
    | Annotated[Literal["none"], Tag("none")],
    Discriminator(
        _adapter_kind,
        custom_error_type="adapter_kind",
        custom_error_message="choose whitening, film or none",
    ),
]


class MixerConfig(Settings):
    """Spatial context mixer, SCM: a gated depth-wise convolution (docs/method.md, 2.3)."""

    kernel: Kernel = 3
    """Side of the convolution; odd; 0 switches the mixer off."""
    gate: Literal["base", "task"] = "base"
    """Who owns the blend between patch and context: the base, or each task."""


class FlowConfig(Settings):
    """The base flow (docs/method.md, 3)."""

    blocks: Annotated[int, Field(ge=0, le=64)] = 6
    """Coupling blocks M."""
    clamp: Literal["freia", "soft"] = "freia"
    """`freia`: c tanh(0.1 s), shift times 0.1; `soft`: c tanh(s / c)."""
    clamp_limit: Limit = 1.9
    """Limit c of the log-scale."""
    context_kernel: Kernel = 5
    """Side of the context convolution of a subnet; odd; 0 gives the plain subnet."""
    context_max: Positive = 0.2
    """Largest weight of the context."""
    context_start: Positive = 0.1
    """Weight of the context at the start; below `context_max`."""
    train_global_affine: bool = False
    """Whether the global per-channel scale and offset of a block are trained with the base."""


class LoraConfig(Settings):
    """Low-rank update of every linear layer of every subnet (docs/method.md, 3.4)."""

    rank: Count = 64
    """Rank r."""
    alpha: Annotated[float, Field(gt=0, le=1e6)] | Literal["r"] = 1.0
    """The update is scaled by alpha / r; `r` makes that 1."""
    init: Literal["xavier", "normal"] = "xavier"
    """How A begins: Xavier-uniform, or N(0, 1/r). B begins at zero."""


class DiaConfig(Settings):
    """Deep invertible adapter of a task, after the base (docs/method.md, 4)."""

    blocks: Annotated[int, Field(ge=0, le=32)] = 2
    """Affine coupling blocks N; 0 switches the adapter off."""
    clamp_limit: Limit = 1.9
    """Limit c of c tanh(s / c)."""
    context_kernel: Kernel = 0
    """Side of a context convolution of its blocks' nets of s; odd; 0: they see each patch alone."""


class LossConfig(Settings):
    """Tail-aware loss (docs/method.md, 6.2)."""

    tail_weight: Fraction = 0.7
    """Weight lambda of the hardest patches against the mean over all patches."""
    tail_ratio: Annotated[float, Field(gt=0, le=1)] = 0.02
    """Share rho of an image's patches that counts as its tail (at least one patch)."""
    logdet_weight: NonNegative = 1e-4
    """Weight of the mean squared log-determinant of a patch."""


class TrainingConfig(Settings):
    """Optimisation of one task (docs/method.md, 6.3)."""

    optimizer: Literal["adamp", "adamw"] = "adamp"
    """AdamP, or AdamW where asked for."""
    epochs: Count = 60
    """Passes over the task's training images."""
    batch_size: Count = 16
    """Images per step; a last partial batch is kept."""
    lr: Positive = 3e-4
    """Learning rate at the top of the schedule."""
    dia_lr: Positive = 1.0
    """Learning rate of the deep invertible adapter, as a multiple of `lr`."""
    eta_min_ratio: Fraction = 0.01
    """The cosine schedule ends at lr times this."""
    warmup_epochs: Annotated[int, Field(ge=0)] = 2
    """Epochs of linear warm-up, for tasks after the first."""
    weight_decay: NonNegative = 0.01
    """Decoupled weight decay."""
    clip_norm: Positive = 0.5
    """Gradients are scaled down to this norm."""


class RouterConfig(Settings):
    """Which task an image belongs to (docs/method.md, 7)."""

    distance: Literal["mahalanobis", "euclidean", "oracle"] = "mahalanobis"
    """Distance of an image's mean feature to a task's; `oracle` is told the task."""
    covariance: Literal["ridge", "ledoit_wolf"] = "ridge"
    """`regularisation` added to the diagonal, or shrinkage after Ledoit and Wolf (2004)."""
    regularisation: Positive = 1e-5
    """Added to the diagonal of each task's covariance, for `ridge`."""


class ScoringConfig(Settings):
    """From patch log-likelihoods to maps, scores and metrics; changes never retrain.

    Source: docs/method.md, 8.
    """

    aggregation: Literal["top_k", "mean", "max", "quantile"] = "top_k"
    """How patch scores make an image score."""
    top_k: Count = 3
    """Number of patches for `top_k`; all, where a picture has fewer."""
    quantile: Fraction = 0.99
    """Level for `quantile`."""
    smoothing: NonNegative = 4.0
    """Standard deviation of the Gaussian over the anomaly map, in pixels; 0 is none."""
    align_corners: bool = False
    """How the patch grid is laid over the image when maps are enlarged."""
    logdet: Literal["patch", "image_mean"] = "patch"
    """Whether a patch's score holds its own log-determinant, or the mean over its image."""
    size: Count | Literal["image"] = "image"
    """Side of maps and masks in pixels; `image` is `image.size`."""
    aupro_limit: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Largest false-positive rate of AUPRO."""


class ComputeConfig(Settings):
    """How the flow is computed: the same mathematics in other roundings (docs/method.md, 12)."""

    precision: Precision = "float32"
    """How matrix products round their factors; all else, the optimizer too, is in float32.

    `tf32` (10 bits) and `bfloat16` (7 bits) are for NVIDIA GPUs from Ampere on, which multiply them
    8 and 16 times as fast as float32 (23 bits). `bfloat16` is for processors that multiply it, too
    (AMX, AVX512-BF16); on others it is slower. `tf32` is refused where it cannot be had.
    """
    compile: bool = False
    """Whether training steps are compiled by torch.compile; torch keeps the code in its own cache,
    whose folder is TORCHINDUCTOR_CACHE_DIR."""
