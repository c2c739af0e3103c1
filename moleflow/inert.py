"""Fields that the rest of a config switches off: changing them changes no number.

An ablation over such a field is a run of one unchanged model; it has been published. What is said
here is shown in `tests/laws/test_no_dead_fields.py`, field by field, on trained weights and scores.
"""

import json
from collections.abc import Iterator
from functools import lru_cache

from moleflow.config import Config
from moleflow.config_parts import WhiteningConfig

Rule = tuple[str, tuple[str, ...]]
"""What switches off, and the fields, or branches, that it does it to."""
REMEMBERED = 16384
"""Settings whose answer is kept: more than a study may have trials, unless it is asked for."""
OF_BLOCKS = ("clamp", "clamp_limit", "context_kernel", "context_max", "context_start")


def inert_fields(config: Config, tasks: int) -> dict[str, str]:
    """By field, as `Config.flat` names them, what takes its effect away, e.g.
    `{"dia.clamp_limit": "dia.blocks is 0"}`; the same for every value that the field may have.

    Args:
        tasks: of the sequence; some fields say how later tasks differ from the first.
    """
    return dict(_inert(config, tasks))  # pyright: ignore[reportArgumentType]  # frozen, so hashable


@lru_cache(maxsize=REMEMBERED)
def _inert(config: Config, tasks: int) -> dict[str, str]:
    found, paths = dict[str, str](), tuple(config.flat())
    for reason, names in _rules(config, tasks):
        for path in _below(names, paths):
            found.setdefault(path, reason)
    return found


@lru_cache(maxsize=1024)
def _below(names: tuple[str, ...], paths: tuple[str, ...]) -> tuple[str, ...]:
    """Paths of fields, or branches, of these names."""
    starts = tuple(f"{name}." for name in names)
    return tuple(path for path in paths if path in names or path.startswith(starts))


def effective_settings(config: Config, tasks: int) -> str:
    """All settings that can change a number, as text: where two configs have the same, so have
    their trials the same weights and scores. A file of weights is what it holds, and not in it."""
    return _effective(config, tasks)  # pyright: ignore[reportArgumentType]  # as above


@lru_cache(maxsize=REMEMBERED)
def _effective(config: Config, tasks: int) -> str:
    inert = inert_fields(config, tasks)
    found = {path: value for path, value in config.flat().items() if path not in inert}
    found.pop("backbone.weights", None)
    if config.scoring.size == config.image.size:
        found["scoring.size"] = "image"
    if config.lora != "off" and "lora.alpha" in found and config.lora.alpha == config.lora.rank:
        found["lora.alpha"] = "r"
    return json.dumps(found, sort_keys=True)


def _rules(config: Config, tasks: int) -> Iterator[Rule]:
    yield from _of_pictures(config)
    yield from _of_the_model(config)
    yield from _of_later_tasks(config, tasks)
    yield from _of_evaluation(config, tasks)


def _of_pictures(config: Config) -> Iterator[Rule]:
    if config.data.fraction == 1:
        yield "data.fraction is 1", ("data.seed",)
    if config.backbone.weights != "random":
        yield "backbone.weights is not random", ("backbone.random_seed",)
    if len(config.backbone.stages) == 1:
        yield "backbone.stages has one stage", ("patches.grid",)


def _of_the_model(config: Config) -> Iterator[Rule]:
    adapter, flow = config.adapter, config.flow
    if isinstance(adapter, WhiteningConfig) and adapter.bounds == "none":
        yield "adapter.bounds is none", ("adapter.gamma", "adapter.beta")
    if config.mixer.kernel == 0:
        yield "mixer.kernel is 0", ("mixer.gate",)
    if flow.blocks == 0:
        fields = tuple(f"flow.{name}" for name in (*OF_BLOCKS, "train_global_affine"))
        yield "flow.blocks is 0", (*fields, "lora", "task_bias")
    if flow.context_kernel == 0:
        yield "flow.context_kernel is 0", ("flow.context_max", "flow.context_start")
    if config.dia.blocks == 0:
        yield "dia.blocks is 0", ("dia.clamp_limit", "dia.context_kernel", "training.dia_lr")
    if config.loss.tail_weight == 0:
        yield "loss.tail_weight is 0", ("loss.tail_ratio",)
    if flow.blocks == 0 and config.dia.blocks == 0:
        reason = "flow.blocks and dia.blocks are 0"
        yield reason, ("loss.logdet_weight", "scoring.logdet")


def _of_later_tasks(config: Config, tasks: int) -> Iterator[Rule]:
    later = ("freeze_base", "training.warmup_epochs", "adapter.init")
    if tasks == 1:
        yield "there is one task", later
    if config.separate:
        yield "separate is true", ("training.warmup_epochs", "adapter.init")
    base_is_empty = (
        config.flow.blocks == 0 and config.mixer.kernel == 0 and config.multiscale == "off"
    )
    if base_is_empty:
        yield "the base has no parameters", ("freeze_base",)


def _of_evaluation(config: Config, tasks: int) -> Iterator[Rule]:
    router, scoring = config.router, config.scoring
    if tasks == 1:
        yield "there is one task to choose from", ("router",)
    if router.distance != "mahalanobis":
        reason = f"router.distance is {router.distance}"
        yield reason, ("router.covariance", "router.regularisation")
    elif router.covariance != "ridge":
        yield f"router.covariance is {router.covariance}", ("router.regularisation",)
    for aggregation in ("top_k", "quantile"):
        if scoring.aggregation != aggregation:
            yield f"scoring.aggregation is {scoring.aggregation}", (f"scoring.{aggregation}",)
