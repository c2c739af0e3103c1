"""The settings of one trial: a frozen, typed tree. Imports no torch, so that a study loads at once.

Every choice that the papers make differently is a field here, and a profile (`profiles.py`) fixes
it. Defaults are those of the profile `main` and stand nowhere else. What a field had to be before
it existed, which keys of results rest on, stands in `neutral.py`.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, cast

from pydantic import model_validator

from moleflow.config_parts import (
    Adapter,
    BackboneConfig,
    ComputeConfig,
    DataConfig,
    DiaConfig,
    FilmConfig,
    FlowConfig,
    ImageConfig,
    LoraConfig,
    LossConfig,
    MixerConfig,
    MultiscaleConfig,
    PatchConfig,
    RouterConfig,
    ScoringConfig,
    TrainingConfig,
    WhiteningConfig,
)
from moleflow.errors import ConfigError, nearest
from moleflow.neutral import as_stored
from moleflow.settings import ASKED, Settings, flatten, parse


class Config(Settings):
    """Everything that decides a trial's numbers besides its data, sequence and seed."""

    data: DataConfig = DataConfig()
    image: ImageConfig = ImageConfig()
    backbone: BackboneConfig = BackboneConfig()
    patches: PatchConfig = PatchConfig()
    position: Literal["sinusoidal", "none"] = "sinusoidal"
    """Two-dimensional position code added to the patches (docs/method.md, 1.5)."""
    multiscale: MultiscaleConfig | Literal["off"] = "off"
    """Context from the backbone's raw maps, trained with the base."""
    adapter: Adapter = WhiteningConfig()
    """What aligns a task's features with the base: `whitening`, `film` or `none`."""
    mixer: MixerConfig = MixerConfig()
    flow: FlowConfig = FlowConfig()
    lora: LoraConfig | Literal["off"] = LoraConfig()
    """Low-rank updates; `off` keeps the task's biases."""
    task_bias: bool = True
    """Whether a task adds its own bias to every linear layer."""
    dia: DiaConfig = DiaConfig()
    freeze_base: bool = True
    """Whether the base is frozen after task 0; if not, every task goes on training it."""
    separate: bool = False
    """Whether every task owns a whole flow of its own, from one common initialisation."""
    seeding: Literal["by_class", "positional"] = "by_class"
    """What names a task's random streams: its classes, or its place in the order."""
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()
    router: RouterConfig = RouterConfig()
    scoring: ScoringConfig = ScoringConfig()
    compute: ComputeConfig = ComputeConfig()

    @model_validator(mode="after")
    def _as_stored(self, info: Any) -> "Config":
        """What JSON of an earlier version does not have was as it had to be then, whatever the
        default is now.

        Args:
            info: pydantic's, whose type cannot be checked while running.
        """
        if info.mode != "json" or info.context == ASKED:
            return self
        try:
            return as_stored(self)
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _fits(self) -> "Config":
        for path, kernel in {
            "patches.neighbourhood": self.patches.neighbourhood,
            "mixer.kernel": self.mixer.kernel,
            "flow.context_kernel": self.flow.context_kernel,
            "dia.context_kernel": self.dia.context_kernel,
            "multiscale.kernel": 0 if self.multiscale == "off" else self.multiscale.kernel,
        }.items():
            if kernel and kernel % 2 == 0:
                raise ValueError(f"{path}: {kernel} is even; choose an odd number")
        if self.patches.dim % 4:
            lower = self.patches.dim // 4 * 4
            raise ValueError(
                f"patches.dim: {self.patches.dim} is not divisible by 4 (the position code has "
                f"four parts); choose {lower or 4} or {lower + 4}"
            )
        if self.scoring.smoothing > self.map_size:
            raise ValueError(
                f"scoring.smoothing: {self.scoring.smoothing:g} is wider than a map of "
                f"{self.map_size} pixels; choose larger pictures (image.size) or at most "
                f"{self.map_size}"
            )
        if self.flow.context_start >= self.flow.context_max:
            raise ValueError("flow.context_start: must be smaller than flow.context_max")
        if self.training.warmup_epochs >= self.training.epochs:
            raise ValueError(
                f"training.warmup_epochs: {self.training.warmup_epochs} must be smaller than "
                f"training.epochs, which is {self.training.epochs}; set it too, e.g. to 0"
            )
        if self.separate and not self.freeze_base:
            raise ValueError(
                "separate: true and freeze_base: false exclude each other (flows of one task each "
                "have no base to go on training); choose one"
            )
        if not self.trains_something:
            raise ValueError(
                "a later task would have nothing to train: "
                "lora, task_bias, dia and adapter are all off"
            )
        return self

    @property
    def map_size(self) -> int:
        """Side of anomaly maps and masks, in pixels."""
        return self.image.size if self.scoring.size == "image" else self.scoring.size

    @property
    def trains_something(self) -> bool:
        """Whether a task after the first trains any parameter."""
        if self.separate or not self.freeze_base:
            return True
        slots = self.flow.blocks > 0 and (self.lora != "off" or self.task_bias)
        gate = self.mixer.kernel > 0 and self.mixer.gate == "task"
        return slots or gate or self.dia.blocks > 0 or self.adapter != "none"

    def updated(self, overrides: Mapping[str, Any]) -> "Config":
        """A copy with dotted fields replaced, e.g. `{"training.epochs": 40}`.

        Raises:
            ConfigError: a field does not exist or a value does not fit; the message names the
                dotted path and the remedy.
        """
        return parse(type(self), self.tree_with(overrides))

    def tree_with(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The tree of `updated`, not validated. A branch is replaced before fields of it are, in
        whichever order they are named.

        Raises:
            ConfigError: a field does not exist.
        """
        tree = self.model_dump(mode="json")
        for path in sorted(overrides, key=lambda path: path.count(".")):
            _assign(tree, path, overrides[path])
        return tree

    def flat(self) -> dict[str, Any]:
        """Dotted field names to plain values, in a fixed order."""
        return dict(flatten(self.model_dump(mode="json"), ""))


NAMED: dict[str, dict[str, type[Settings]]] = {
    "adapter": {"whitening": WhiteningConfig, "film": FilmConfig},
    "multiscale": {"on": MultiscaleConfig},
    "lora": {"on": LoraConfig},
}
"""Words that stand for a whole branch with its defaults."""


@cache
def config_fields() -> frozenset[str]:
    """Dotted names of all fields and branches, those of every choice of a branch too."""
    plain = Config().model_dump(mode="json")
    trees = [plain] + [
        {branch: kind().model_dump(mode="json")}
        for branch, kinds in NAMED.items()
        for kind in kinds.values()
    ]
    found = {name for tree in trees for name, _ in flatten(tree, "")}
    return frozenset(found | set(Config.model_fields))


def check_field(path: str) -> None:
    """Raises:
    ConfigError: no config has a field of that name.
    """
    if path not in config_fields():
        hint = nearest(path, sorted(config_fields()), cutoff=0.5)
        raise ConfigError(f"{path}: unknown config field{hint}")


def value_at(tree: Mapping[str, Any], path: str) -> Any:
    """The value of a dotted field in a config's plain tree, a branch by the word that stands for
    it; None where it is not there, as `adapter.gate` where the adapter is off."""
    branch: Any = tree
    for name in path.split("."):
        if not isinstance(branch, Mapping) or name not in branch:
            return None
        branch = cast("Mapping[str, Any]", branch)[name]
    if isinstance(branch, Mapping):
        named = cast("Mapping[str, Any]", branch)
        return named.get("kind", "on") if path in NAMED else dict(named)
    return branch


def _without_field(tree: dict[str, Any], path: str, parent: str, branch: Any) -> ConfigError:
    if isinstance(branch, str):
        return ConfigError(
            f"{path}: {parent} is {branch!r}, so it has no fields; leave this one alone there, or "
            f"set {parent} first"
        )
    return ConfigError(f"{path}: {parent} is {value_at(tree, parent)!r}, without that field")


def _assign(tree: dict[str, Any], path: str, value: Any) -> None:
    *parents, leaf = path.split(".")
    branch: Any = tree
    for i, name in enumerate([*parents, leaf]):
        if not isinstance(branch, dict) or name not in branch:
            check_field(path)  # below: fields of another choice of the branch
            raise _without_field(tree, path, ".".join(path.split(".")[:i]), branch)
        if i == len(parents):
            if path in NAMED and not isinstance(value, str | dict | Settings):
                words = [*NAMED[path], "none" if path == "adapter" else "off"]
                raise ConfigError(f"{path}: {value!r} does not fit; write {' or '.join(words)}")
            named = NAMED.get(path, {}).get(value) if isinstance(value, str) else None
            branch[name] = value if named is None else named().model_dump(mode="json")
        else:
            branch = branch[name]
