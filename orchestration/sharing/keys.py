"""What a stage's result depends on, and nothing else: its key (docs/design.md: keys).

Imports no torch: a plan knows all keys of a study, and so what trials share, before anything runs.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.metadata import version
from typing import Any, Literal

from moleflow.config import Config
from moleflow.data.sequences import task_name
from orchestration.records.stages import StageRef
from orchestration.studies.expansion import Trial
from orchestration.studies.trial_keys import canonical, digest, digest_of_parts, key_settings
from orchestration.studies.versions import SELECTION_VERSION, version_of

Kind = Literal["features", "defects", "base", "adapter", "scores", "metrics", "contributions"]
"""What the store holds: an evaluation is scores of a class under a bank, metrics of scores, and at
the end what each picture contributes to them."""

FEATURES = ("image", "backbone", "patches")
"""Parts of a config that features depend on; training sees them through the features."""
METRICS = ("image", "scoring")
ELSEWHERE = (*FEATURES, "router", "scoring")
"""Parts of a config that training does not see, but through the features."""
LATER_TASKS_ONLY = ("freeze_base", "training.warmup_epochs", "adapter.whitening.init")
"""Fields that leave the training of task 0 as it is."""


def features_keys(
    config: Config, fingerprints: Mapping[str, str], weights: str, device: str, apart: str = ""
) -> dict[str, str]:
    """Keys of the features of classes: their pictures, and how they are turned into patches.

    Args:
        fingerprints: of the files of each class.
        weights: identity of the backbone's weights (`moleflow.features.backbone.weights_identity`).
        device: kind of device the backbone runs on; another kind rounds differently.
        apart: see `StageKeys`.
    """
    seen = canonical(_of_parts(key_settings(config), FEATURES))
    prints = tuple(sorted(fingerprints.items()))
    own = (seen, config.multiscale != "off", weights, device, apart, version_of("features"))
    return dict(_features_keys(prints, *own))


@lru_cache(maxsize=64)
def _features_keys(
    prints: tuple[tuple[str, str], ...],
    settings: str,
    raw_maps: bool,
    weights: str,
    device: str,
    apart: str,
    version: int,
) -> Mapping[str, str]:
    """Once for all settings that see pictures alike, as most that a study varies do."""
    parts = {
        "result": "features",
        "version": version,
        "software": _software("torch", "timm", "pillow"),
        "weights": weights,
        "raw maps": raw_maps,
        "device": device,
        "apart": apart,
    }
    texts = {name: canonical(part) for name, part in parts.items()} | {"config": settings}
    return {name: digest_of_parts(texts | {"data": canonical(files)}) for name, files in prints}


@lru_cache(maxsize=1024)
def _listed(names: tuple[str, ...]) -> str:
    return canonical(names)


def task_keys(trial: Trial) -> tuple[str, ...]:
    """Keys of a trial's tasks on no machine in particular: what is trained is the same where they
    are."""
    keys = StageKeys(trial, device="", threads=0)
    return tuple(keys.task(index) for index in range(len(trial.sequence)))


@dataclass(frozen=True)
class StageKeys:
    """Keys of all stages of one trial on one kind of machine."""

    trial: Trial
    device: str
    """Kind of device, e.g. `cpu:avx512` or `cuda:sm_90:kernels2`."""
    threads: int
    """Threads that a trial on a CPU computes with: sums over patches split among them."""
    apart: str = ""
    """A trial's identity, where its training must neither be taken from another trial nor given to
    one."""
    features_apart: bool = False
    """Whether features too are the trial's own."""

    def features(self, name: str) -> str:
        """Of the features of a class."""
        return self._features[name]

    @cached_property
    def _features(self) -> Mapping[str, str]:
        trial, apart = self.trial, self.apart if self.features_apart else ""
        prints = {name: trial.fingerprints[name] for name in trial.classes}
        return features_keys(trial.config, prints, trial.weights, self.device, apart)

    def defects(self, name: str) -> str:
        """Of the defects drawn on held-out pictures of a class, and their features."""
        data = self.trial.config.data
        return digest(
            {
                "result": "defects",
                "version": SELECTION_VERSION,
                "software": _software("numpy", "scipy"),
                "features": self.features(name),
                "held out": data.held_out,
                "seed": data.seed,
            }
        )

    def kind(self, index: int) -> Literal["base", "adapter"]:
        """What is trained with a task: a base and its bank, or a bank."""
        return "base" if index == 0 or self.trial.config.separate else "adapter"

    def stage(self, index: int) -> StageRef:
        """What the training of a task is called."""
        return StageRef(self.kind(index), task_name(self.trial.sequence[index]))

    def task(self, index: int) -> str:
        """Of the training of a task: its base where it has one, else the base that it stands on,
        its features, settings, seed and classes. Not its place in the order, unless the base goes
        on training or streams are named by place."""
        return self._tasks[index]

    @cached_property
    def _tasks(self) -> tuple[str, ...]:
        config, found = self.trial.config, list[str]()
        # A frozen config is hashable, whatever pydantic's types say.
        settings = _training_settings(config)  # pyright: ignore[reportArgumentType]
        everywhere = {
            "version": canonical(version_of("training")),
            "software": canonical(_software("torch", "FrEIA")),
            "seed": canonical(self.trial.seed),
            "machine": canonical(self._machine),
            "apart": canonical(self.apart),
        }
        for index, task in enumerate(self.trial.sequence):
            kind = self.kind(index)
            parts = everywhere | {
                "result": canonical(kind),
                "config": settings[kind],
                "classes": _listed(task),
                "features": _listed(tuple(self.features(name) for name in task)),
            }
            if kind == "adapter":
                parts["parent"] = canonical(found[0 if config.freeze_base else index - 1])
            if config.seeding == "positional":
                parts["place"] = canonical(index)
            found.append(digest_of_parts(parts))
        return tuple(found)

    def scores(self, name: str, bank: int, step: int, *, selection: bool = False) -> str:
        """Of the patch scores of a class under the bank of task `bank`, after `step` tasks.

        Args:
            selection: not of its test pictures, but of those that settings may be chosen by.


        A frozen base is in the bank's key; one that goes on training is that of the last task.
        """
        moving = not self.trial.config.freeze_base
        return digest(
            {
                "result": "scores",
                "version": version_of("scores"),
                "features": self.defects(name) if selection else self.features(name),
                "bank": self.task(bank),
                "base": self.task(step - 1) if moving else "",
                "machine": self._machine,
            }
        )

    def metrics(
        self,
        scores: tuple[str, ...],
        name: str,
        chosen: str,
        result: Literal["metrics", "contributions"] = "metrics",
    ) -> str:
        """Of the metrics of a class, or of what each picture contributes to them.

        Args:
            scores: keys of the scores that pictures take theirs from, by task.
            chosen: which picture takes them from which.
        """
        return digest(
            {
                "result": result,
                "version": version_of("metrics"),
                "software": _software("numpy", "scipy"),
                "scores": scores,
                "chosen": chosen,
                "data": self.trial.fingerprints[name],
                "config": self._scoring,
            }
        )

    @cached_property
    def _scoring(self) -> dict[str, Any]:
        return _of_parts(key_settings(self.trial.config), METRICS)

    @property
    def _machine(self) -> dict[str, Any]:
        # A GPU's sums do not depend on the threads that feed it.
        return {"device": self.device, "threads": 0 if "cuda" in self.device else self.threads}


@lru_cache(maxsize=64)
def _training_settings(config: Config) -> Mapping[Literal["base", "adapter"], str]:
    """What the key of a task's training hashes of a config, by what is trained, as canonical JSON;
    once for the trials of a setting."""
    found = key_settings(config)
    seen = {path: value for path, value in found.items() if _part(path) not in ELSEWHERE}
    at_first = {path: value for path, value in seen.items() if path not in LATER_TASKS_ONLY}
    return {"base": canonical(at_first), "adapter": canonical(seen)}


def _of_parts(settings: Mapping[str, Any], parts: Collection[str]) -> dict[str, Any]:
    return {path: value for path, value in settings.items() if _part(path) in parts}


def _part(path: str) -> str:
    return path.partition(".")[0]


@cache
def _software(*packages: str) -> dict[str, str]:
    """Versions that a result's bits may depend on; builds of one version (`+cu126`) differ too."""
    return {name: version(name) for name in packages}
