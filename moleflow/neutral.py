"""What every field of a config had to be before it existed, so that results outlive new fields.

Keys of results hash a field only where it differs from its value here (`deviations`), and settings
that were stored before a field existed are read with its value here (`as_stored`). Defaults, which
are for people and may change, have no part in either. `docs/results.md` says what follows.

An entry is made once, with its field, and never changed after that: it would give other settings an
old result's key. A field of settings that exist already has the value that keeps them as they are.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

from moleflow.settings import Settings, parse

SettingsT = TypeVar("SettingsT", bound=Settings)

NEUTRAL: dict[str, Any] = {
    "image.size": 224,
    "image.resize": "squash",
    "image.bits": "auto",
    "backbone.name": "wide_resnet50_2",
    "backbone.weights": "pretrained",
    "backbone.stages": ["layer2", "layer3"],
    "backbone.random_seed": 0,
    "backbone.precision": "float32",
    "patches.dim": 768,
    "patches.grid": "first",
    "patches.neighbourhood": 3,
    "patches.dtype": "float16",
    "position": "sinusoidal",
    "multiscale": "off",
    "multiscale.kernel": 5,
    "adapter": "whitening",
    "adapter.whitening.gamma": [0.5, 2.0],
    "adapter.whitening.beta": 2.0,
    "adapter.whitening.bounds": "bounded",
    "adapter.whitening.init": "middle",
    "adapter.whitening.identity_weight": 0.1,
    "adapter.film.gate": 0.5,
    "adapter.film.identity_share": 0.9,
    "mixer.kernel": 3,
    "mixer.gate": "base",
    "flow.blocks": 6,
    "flow.clamp": "freia",
    "flow.clamp_limit": 1.9,
    "flow.context_kernel": 5,
    "flow.context_max": 0.2,
    "flow.context_start": 0.1,
    "flow.train_global_affine": False,
    "lora": "on",
    "lora.rank": 64,
    "lora.alpha": 1.0,
    "lora.init": "xavier",
    "task_bias": True,
    "dia.blocks": 2,
    "dia.clamp_limit": 1.9,
    "freeze_base": True,
    "separate": False,
    "seeding": "by_class",
    "loss.tail_weight": 0.7,
    "loss.tail_ratio": 0.02,
    "loss.logdet_weight": 1e-4,
    "training.optimizer": "adamp",
    "training.epochs": 60,
    "training.batch_size": 16,
    "training.lr": 3e-4,
    "training.dia_lr": 1.0,
    "training.eta_min_ratio": 0.01,
    "training.warmup_epochs": 2,
    "training.weight_decay": 0.01,
    "training.clip_norm": 0.5,
    "router.distance": "mahalanobis",
    "router.covariance": "ridge",
    "router.regularisation": 1e-5,
    "scoring.aggregation": "top_k",
    "scoring.top_k": 3,
    "scoring.quantile": 0.99,
    "scoring.smoothing": 4.0,
    "scoring.align_corners": False,
    "scoring.logdet": "patch",
    "scoring.size": "image",
    "scoring.aupro_limit": 0.3,
    "compute.precision": "float32",
    "compute.compile": False,
    "data.fraction": 1.0,
    "data.held_out": 0.0,
    "data.seed": 0,
    "dia.context_kernel": 0,
}
"""By path. A branch that can be chosen is a field itself, `adapter`, with the word for its choice:
a literal, the branch's `kind`, or `on`; a branch with a `kind` has it in the paths of its fields.
These are the fields that there were when keys began to be made so (root format 4); later ones
follow, as they come."""

REMEDY = (
    "{path} has no neutral value: add it to NEUTRAL in moleflow/neutral.py with the value by which "
    "every config that existed before the field keeps its results; if there is none, with any, and "
    "raise the versions in orchestration/studies/versions.py of the results that change"
)


def deviations(settings: Settings) -> dict[str, Any]:
    """By path, the fields whose values are not neutral. Different settings have different ones."""
    found: dict[str, Any] = {}
    for path, value in _values(settings, settings.model_dump(mode="json"), ""):
        assert path in NEUTRAL, REMEDY.format(path=path)
        if not _same(value, NEUTRAL[path]):
            found[path] = _plain(value)
    return found


def as_stored(settings: SettingsT) -> SettingsT:
    """The same with its neutral value for every field that was not given."""
    if all(_given(settings)):
        return settings
    return parse(type(settings), _completed(settings, settings.model_dump(mode="json"), ""))


def paths(kind: type[Settings], prefix: str = "") -> Iterator[str]:
    """Of all fields that settings of a kind can have, whatever is chosen.

    Raises:
        TypeError: a field that cannot be told apart by paths.
    """
    for name, path, is_field in _fields(kind, prefix):
        field = kind.model_fields[name]
        branches = _branches(field.annotation)
        if is_field:
            yield path
        if len(branches) > 1 and not all("kind" in branch.model_fields for branch in branches):
            raise TypeError(f"{path}: give each of its branches a field `kind` with its name")
        if branches and get_origin(field.annotation) in (tuple, list, dict, set):
            raise TypeError(f"{path}: settings in a collection have no paths; make it a branch")
        for branch in branches:
            yield from paths(branch, _prefix(path, branch))


def _values(settings: Settings, tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Paths, and values as in JSON."""
    for name, path, is_field in _fields(type(settings), prefix):
        value = getattr(settings, name)
        if isinstance(value, Settings):
            if is_field:
                yield path, _choice(type(value))
            yield from _values(value, tree[name], _prefix(path, type(value)))
        elif is_field:
            yield path, tree[name]


@cache
def _fields(kind: type[Settings], prefix: str) -> tuple[tuple[str, str, bool], ...]:
    """Names, paths, and whether something can be chosen there."""
    return tuple(
        (name, prefix + name, name != "kind" and not _is_branch(field.annotation))
        for name, field in kind.model_fields.items()
    )


def _given(settings: Settings) -> Iterator[bool]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        yield name in settings.model_fields_set
        if isinstance(value, Settings):
            yield from _given(value)


def _completed(settings: Settings, tree: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The tree of settings, with neutral values in the places of those that were not given."""
    for name, field in type(settings).model_fields.items():
        path, value = prefix + name, getattr(settings, name, None)
        if name not in settings.model_fields_set and name != "kind":
            tree[name] = _neutral(path, field.annotation)
        elif isinstance(value, Settings):
            tree[name] = _completed(value, tree[name], _prefix(path, type(value)))
    return tree


def _neutral(path: str, annotation: Any) -> Any:
    """Of a field, or of a whole branch."""
    chosen = annotation
    if not _is_branch(annotation):
        assert path in NEUTRAL, REMEDY.format(path=path)
        fitting = [one for one in _branches(annotation) if _choice(one) == NEUTRAL[path]]
        if not fitting:
            return NEUTRAL[path]
        (chosen,) = fitting
    bare = chosen.model_construct()
    return _completed(bare, bare.model_dump(mode="json"), _prefix(path, chosen))


def _branches(annotation: Any) -> list[type[Settings]]:
    """Kinds of settings that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [annotation]
    return [branch for part in get_args(annotation) for branch in _branches(part)]


def _is_branch(annotation: Any) -> bool:
    """Whether a field always holds settings of one kind."""
    return isinstance(annotation, type) and issubclass(annotation, Settings)


def _choice(kind: type[Settings]) -> str:
    return kind.model_fields["kind"].default if "kind" in kind.model_fields else "on"


def _prefix(path: str, kind: type[Settings]) -> str:
    return f"{path}.{_choice(kind)}." if "kind" in kind.model_fields else f"{path}."


def _same(one: Any, other: Any) -> bool:
    """As JSON has it: 1 is not true."""
    if isinstance(one, str | int | float) and type(one) is type(other) and one == other:
        return True
    one, other = _plain(one), _plain(other)
    if isinstance(one, list | dict):
        return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    return type(one) is type(other) and one == other


def _plain(value: Any) -> Any:
    """1.0 as 1: a whole number stays itself where its field comes to take fractions too."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
