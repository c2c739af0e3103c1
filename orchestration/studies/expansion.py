"""A study resolved on a data set: its trials, each once."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from moleflow.config import Config
from moleflow.config_parts import BackboneConfig
from moleflow.data.sequences import Sequence as TaskSequence
from moleflow.data.sequences import order_name, task_name
from moleflow.errors import StudyError
from moleflow.settings import Settings
from orchestration.studies.orders import arrangements, orders_asked
from orchestration.studies.points import Point, drawn_proposals, matches, points, points_asked
from orchestration.studies.proposing import Proposal
from orchestration.studies.study import Study
from orchestration.studies.trial_keys import trial_identity, trial_key
from orchestration.studies.versions import ROOT_FORMAT


class Trial(Settings):
    """(config, sequence, seed) on a data set: one Ray Tune trial."""

    key: str
    study: str
    axes: dict[str, str]
    """What tells it from its neighbours: task 0, order, and the value of every axis that applies to
    it, by the name of a field or of an axis; `part` where the study is a union."""
    config: Config
    sequence: TaskSequence
    seed: int
    data_root: str
    fingerprints: dict[str, str]
    """Of each class's files."""
    weights: str
    """Identity of the backbone's weights, wherever their file lies."""
    also: tuple[dict[str, str], ...] = ()
    """Other axes under which the study asks for this same trial: as another variant, or part."""

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(itertools.chain.from_iterable(self.sequence))

    @property
    def identity(self) -> str:
        """What its key is made of besides versions of results: what it trains apart from others
        stays its own when a version is raised."""
        return trial_identity(
            self.config, self.sequence, self.seed, self.fingerprints, self.weights
        )


class Plan(Settings):
    """A study resolved on a data set: written to `study.json` before anything runs."""

    format: int = ROOT_FORMAT
    """Of the root folder that it lies in."""
    name: str
    study: Study
    data_root: str
    trials: tuple[Trial, ...]
    source: str = ""
    """The study's file; empty for one that comes with the package."""
    packaged: str = ""
    """The study of the package that it is; empty for one of a file or from Python."""
    proposed: int = 0
    """Of a search: proposals whose trials are among these; more may come."""

    @property
    def to_propose(self) -> int:
        """Proposals of a search that are yet to come."""
        axis = self.study.search_axis
        return max(0, axis.trials - self.proposed) if axis else 0

    @property
    def most(self) -> int:
        """Trials that there will be, at most."""
        each = -(-len(self.trials) // max(1, self.proposed))
        return len(self.trials) + self.to_propose * max(1, each)

    @property
    def asked(self) -> int:
        """Trials that the study asks for, those that are one counted each time."""
        return sum(1 + len(trial.also) for trial in self.trials)


def expand(
    name: str,
    study: Study,
    data_root: str,
    fingerprints: Mapping[str, str],
    weights: Mapping[BackboneConfig, str],
    source: str = "",
    proposals: Sequence[Proposal] | None = None,
) -> Plan:
    """All trials of a study, in a fixed order and each once.

    Args:
        fingerprints: of each class to be learned, by name.
        weights: identity of every backbone's weights (a file's path is not its identity).
        source: the study's file.
        proposals: of a search, those that were made so far; None: all, at random.

    Raises:
        StudyError: no classes, a task 0 that is none of them, or nothing is left to run.
    """
    made = drawn_proposals(study) if proposals is None else proposals
    trials: dict[str, Trial] = {}
    also: dict[str, list[dict[str, str]]] = {}
    for one in _asked(name, study, data_root, fingerprints, weights, made):
        first = trials.setdefault(one.key, one)
        others = also.setdefault(one.key, [])
        if one.axes != first.axes and one.axes not in others:
            others.append(one.axes)
    if not trials and (made or study.search_axis is None):
        raise StudyError(
            f"{source or f'study {name}'}: no trial is left of what it asks for; look at its "
            "exclude, only, where and without"
        )
    found = tuple(
        trial.model_copy(update={"also": tuple(also[trial.key])}) if also[trial.key] else trial
        for trial in trials.values()
    )
    return Plan(
        name=name,
        study=study,
        data_root=data_root,
        trials=found,
        source=source,
        proposed=len(made),
    )


def _asked(
    name: str,
    study: Study,
    data_root: str,
    fingerprints: Mapping[str, str],
    weights: Mapping[BackboneConfig, str],
    proposals: Sequence[Proposal] = (),
) -> Iterator[Trial]:
    """Every trial that a study asks for, as often as it does."""
    place = (data_root, fingerprints, weights)
    left_out = {trial.key for other in study.minus for trial in _asked(name, other, *place)}
    if study.parts:
        found = _of_parts(name, study, *place)
    else:
        found = _of_axes(name, study, *place, points(study, proposals))
    for trial in found:
        if trial.key not in left_out and _kept(trial, study):
            yield trial


def _of_parts(name: str, study: Study, *place: Any) -> Iterator[Trial]:
    for part, one in study.parts.items():
        for trial in _asked(name, one, *place):
            inner = trial.axes.get("part")
            axes = trial.axes | {"part": f"{part}/{inner}" if inner else part}
            yield trial.model_copy(update={"axes": axes})


def unmatched(plan: Plan) -> list[str]:
    """Conditions of `exclude` and `only` that fit no combination, a sentence each; a search is not
    asked, as its combinations are yet to come."""
    if plan.study.search_axis is not None or not plan.trials:
        return []
    prints = {name: one for t in plan.trials for name, one in t.fingerprints.items()}
    weights = defaultdict(str, {t.config.backbone: t.weights for t in plan.trials})
    told = dict[str, None]()
    for study in _with_parts(plan.study):
        left = [("exclude", one) for one in study.exclude]
        left += [("only", one) for one in study.only]
        free = study.model_copy(update={"exclude": (), "only": (), "minus": ()})
        asked = _asked(plan.name, free, plan.data_root, prints, weights)
        while left and (trial := next(asked, None)) is not None:
            seen = _seen_by_conditions(trial)
            left = [(field, one) for field, one in left if not matches(one, *seen)]
        told |= {f"{field} {json.dumps(one)}": None for field, one in left}
    return [f"{one}: fits no combination; mend it, or leave it out" for one in told]


def _with_parts(study: Study) -> Iterator[Study]:
    yield study
    for part in study.parts.values():
        yield from _with_parts(part)


def _of_axes(
    name: str,
    study: Study,
    data_root: str,
    fingerprints: Mapping[str, str],
    weights: Mapping[BackboneConfig, str],
    found: Sequence[Point],
) -> Iterator[Trial]:
    classes = study.named_classes or tuple(sorted(fingerprints))
    if not classes or not study.seeds:
        raise StudyError(f"study {name}: it has no classes or no seeds, so there is nothing to run")
    prints = {c: fingerprints[c] for c in classes}
    orders = arrangements(study, classes)
    for point in found:
        identity = weights[point.config.backbone]
        for order, seed in itertools.product(orders, study.seeds):
            sequence = order.sequence
            axes = {"task0": task_name(sequence[0]), "order": order_name(sequence)}
            yield Trial(
                key=trial_key(point.config, sequence, seed, prints, identity),
                study=name,
                axes=axes | order.axes | point.axes,
                config=point.config,
                sequence=sequence,
                seed=seed,
                data_root=data_root,
                fingerprints=prints,
                weights=identity,
            )


def _kept(trial: Trial, study: Study) -> bool:
    if not study.exclude and not study.only:
        return True
    seen = _seen_by_conditions(trial)
    if any(matches(left_out, *seen) for left_out in study.exclude):
        return False
    return not study.only or any(matches(kept, *seen) for kept in study.only)


def _seen_by_conditions(trial: Trial) -> tuple[dict[str, Any], dict[str, Any]]:
    """Axes and fields."""
    return {**trial.axes, "seed": trial.seed}, trial.config.model_dump(mode="json")


def trials_asked(study: Study, classes: Iterable[str]) -> int:
    """How many trials a study has, at most; known without drawing or expanding anything.

    Raises:
        StudyError: as `arrangements`.
    """
    names = tuple(classes)
    if study.parts:
        parts = study.parts.values()
        return sum(trials_asked(part, part.named_classes or names) for part in parts)
    return orders_asked(study, names) * points_asked(study) * len(study.seeds)


def order_numbers(plan: Plan) -> dict[str, str]:
    """A short name for each order of the plan, by its name: O1, O2, … sorted by task 0."""
    found = {(task_name(t.sequence[0]), order_name(t.sequence)) for t in plan.trials}
    return {order: f"O{i}" for i, (_, order) in enumerate(sorted(found), start=1)}


def varying_axes(plan: Plan) -> list[str]:
    """Axes on which the trials of a plan differ."""
    names = dict.fromkeys(name for trial in plan.trials for name in trial.axes)
    return [name for name in names if len({trial.axes.get(name) for trial in plan.trials}) > 1]
