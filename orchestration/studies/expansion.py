"""A study resolved on a data set: its trials, each once."""

import itertools
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from moleflow.config import BackboneConfig, Config
from moleflow.data.sequences import Sequence, order_name, task_name
from moleflow.errors import StudyError
from moleflow.settings import Settings
from orchestration.studies.axes import Grid
from orchestration.studies.keys import trial_key
from orchestration.studies.orders import orders_asked, sequences
from orchestration.studies.study import Study


class Trial(Settings):
    """(config, sequence, seed) on a data set: one Ray Tune trial."""

    key: str
    study: str
    axes: dict[str, str]
    config: Config
    sequence: Sequence
    seed: int
    data_root: str
    fingerprints: dict[str, str]
    """Of each class's files."""
    weights: str
    """Identity of the backbone's weights, wherever their file lies."""

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(itertools.chain.from_iterable(self.sequence))


class Plan(Settings):
    """A study resolved on a data set: written to `study.json` before anything runs."""

    name: str
    study: Study
    data_root: str
    trials: tuple[Trial, ...]
    source: str = ""
    """The study's file; empty for one that comes with the package."""


def expand(
    name: str,
    study: Study,
    data_root: str,
    fingerprints: Mapping[str, str],
    weights: Mapping[BackboneConfig, str],
    source: str = "",
) -> Plan:
    """All trials of a study, in a fixed order and each once.

    Args:
        fingerprints: of each class to be learned, by name.
        weights: identity of every backbone's weights (a file's path is not its identity).
        source: the study's file.

    Raises:
        StudyError: no classes, or a task 0 that is none of them.
    """
    classes = study.named_classes or tuple(sorted(fingerprints))
    if not classes or not study.seeds:
        raise StudyError(f"study {name}: it has no classes or no seeds, so there is nothing to run")
    trials: dict[str, Trial] = {}
    for (overrides, config), order, seed in itertools.product(
        grid_points(study), sequences(study, classes), study.seeds
    ):
        axes = {"task0": task_name(order[0]), "order": order_name(order)}
        axes |= {field: json.dumps(value) for field, value in overrides.items()}
        tree: dict[str, Any] = {
            "study": name,
            "axes": axes,
            "config": config,
            "sequence": order,
            "seed": seed,
            "data_root": data_root,
            "fingerprints": {c: fingerprints[c] for c in classes},
        }
        tree["weights"] = weights[config.backbone]
        key = trial_key(config, order, seed, tree["fingerprints"], tree["weights"])
        trial = Trial(key=key, **tree)
        trials.setdefault(trial.key, trial)
    found = tuple(trials.values())
    return Plan(name=name, study=study, data_root=data_root, trials=found, source=source)


def grid_points(study: Study) -> list[tuple[dict[str, Any], Config]]:
    """Every combination of the grid axes: changed fields, and the config that they give."""
    grids = [axis for axis in study.axes if isinstance(axis, Grid)]
    points = itertools.product(*[[(grid.field, value) for value in grid.values] for grid in grids])
    return [(dict(point), study.base.updated(dict(point))) for point in points]


def trials_asked(study: Study, classes: Iterable[str]) -> int:
    """How many trials a study has, at most; known without drawing or expanding anything.

    Raises:
        StudyError: as `sequences`.
    """
    points = math.prod(len(axis.values) for axis in study.axes if isinstance(axis, Grid))
    return orders_asked(study, classes) * points * len(study.seeds)


def order_numbers(plan: Plan) -> dict[str, str]:
    """A short name for each order of the plan, by its name: O1, O2, … sorted by task 0."""
    found = {(task_name(t.sequence[0]), order_name(t.sequence)) for t in plan.trials}
    return {order: f"O{i}" for i, (_, order) in enumerate(sorted(found), start=1)}


def varying_axes(plan: Plan) -> list[str]:
    """Axes on which the trials of a plan differ."""
    names = plan.trials[0].axes if plan.trials else {}
    return [name for name in names if len({trial.axes[name] for trial in plan.trials}) > 1]
