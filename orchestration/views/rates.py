"""How long stages take, from how long others took: of this root folder's trials, else of a table.

Seconds are taken to grow with the work (`moleflow.training.work`, pictures): what trials of the
same setting took counts where there are any, else what trials of any setting took per unit of work,
else a table of processors and GPUs.
"""

import platform
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import fsum
from statistics import median
from typing import Literal, TypeAlias

from moleflow.config import Config
from moleflow.errors import StoreError
from moleflow.training.work import scoring_work, training_work
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger, Record
from orchestration.records.stages import TRAINED
from orchestration.studies.terms import Resources

Kind: TypeAlias = Literal["features", "base", "adapter", "evaluation", "taken", "start"]
"""Of what seconds are spent on; `taken`: all besides training of a trial that trains nothing;
`start`: what no stage of a trial tells of."""
MOST_RECORDS = 400
"""Of a root folder, the newest, that are read."""


@dataclass(frozen=True)
class Measured:
    """A stage that was computed."""

    kind: Kind
    setting: Hashable
    """What stages of the same cost per unit have in common."""
    work: float
    seconds: float


@dataclass(frozen=True)
class Rates:
    """Seconds per unit of work."""

    by_setting: Mapping[tuple[Kind, Hashable], float]
    by_kind: Mapping[Kind, float]
    basis: str
    """Where they come from, for people."""
    start: float
    """Seconds of a trial that no stage tells of."""
    measured: bool = True
    """Whether trials were measured, and not a table read."""
    step: float = 0.0
    """Seconds that a step of training takes at least."""

    def training(self, config: Config, *, base_too: bool, pictures: float) -> float:
        """Of a task with so many pictures."""
        setting, work = task_of(config, base_too)
        kind: Kind = "base" if base_too else "adapter"
        steps = config.training.epochs * pictures / config.training.batch_size
        return max(self._seconds(kind, setting, work * pictures), steps * self.step)

    def features(self, config: Config, pictures: float) -> float:
        """Of a class with so many pictures."""
        setting, work = features_of(config)
        return self._seconds("features", setting, work * pictures)

    def besides(self, config: Config, tests: float, *, trains: bool) -> float:
        """Of what a trial with so many test pictures does besides features and training."""
        setting, work = evaluation_of(config)
        kind: Kind = "evaluation" if trains else "taken"
        return self.start + self._seconds(kind, setting, work * tests)

    def _seconds(self, kind: Kind, setting: Hashable, work: float) -> float:
        known = self.by_setting.get((kind, setting))
        return work * (self.by_kind[kind] if known is None else known)


def task_of(config: Config, base_too: bool) -> tuple[Hashable, float]:
    """Setting of training, and work per picture."""
    work = training_work(config, base_too=base_too)
    epoch = work // config.training.epochs
    batch = config.training.batch_size
    return (epoch, batch, config.compute.precision), float(work)


def features_of(config: Config) -> tuple[Hashable, float]:
    """Setting of features, and work per picture."""
    backbone = config.backbone
    setting = (backbone.name, config.image.size, backbone.precision)
    return setting, _backbone_work(config)


def evaluation_of(config: Config) -> tuple[Hashable, float]:
    """Setting of an evaluation, and work per test picture: scoring it, and its map."""
    side = config.image.size if config.scoring.size == "image" else config.scoring.size
    return (scoring_work(config), side, config.compute.precision), float(side**2)


def measured_rates(found: Iterable[Measured], basis: str, beside: Rates) -> Rates:
    """Of what was measured; `beside` tells of kinds that nobody has."""
    seconds, work = (
        defaultdict[Hashable, list[float]](list),
        defaultdict[Hashable, list[float]](list),
    )
    starts: list[float] = []
    for one in found:
        if one.kind == "start":
            starts.append(one.seconds)
            continue
        for name in ((one.kind, one.setting), one.kind):
            seconds[name].append(one.seconds)
            work[name].append(one.work)
    rates = {name: fsum(seconds[name]) / fsum(work[name]) for name in seconds if fsum(work[name])}
    kinds = {name: rate for name, rate in rates.items() if isinstance(name, str)}
    trained = [kinds[kind] for kind in TRAINED if kind in kinds]
    if not trained:
        return beside
    by_kind = dict(beside.by_kind) | dict.fromkeys(TRAINED, trained[0]) | kinds
    return Rates(
        by_setting={name: rate for name, rate in rates.items() if isinstance(name, tuple)},
        by_kind=by_kind,  # pyright: ignore[reportArgumentType]
        basis=basis,
        start=median(starts) if starts else beside.start,
    )


def known_rates(root: Root, resources: Resources, table: Rates) -> Rates:
    """From the newest records of a root folder that are of this kind of machine: of this very
    machine where there are any."""
    records = [one for one in _newest(root) if _fits(one, resources)]
    here = [one for one in records if one.host == platform.node()]
    used = here or records
    found = [item for record in used for item in measured_in(record)]
    where = "this machine" if here else "machines of this kind"
    count = len(used)
    basis = f"{count} {'trial' if count == 1 else 'trials'} of this root folder on {where}"
    return measured_rates(found, basis, table)


def measured_in(record: Record) -> Iterator[Measured]:
    """What a record tells of seconds. Of stages taken from others: what computing them took."""
    config, sequence = record.config, record.sequence
    train = {name: one.train * config.data.fraction for name, one in record.data.items()}
    tests = sum(one.test_good + one.test_anomalous for one in record.data.values())
    by_task = {"+".join(task): task for task in sequence}
    trains = False
    for ref, source in record.stages.items():
        if not source.seconds:
            continue
        if ref.kind == "features" and ref.task in record.data:
            one = record.data[ref.task]
            setting, work = features_of(config)
            pictures = one.train + one.test_good + one.test_anomalous
            yield Measured("features", setting, work * pictures, source.seconds)
        if ref.kind in TRAINED and ref.task in by_task:
            trains = trains or source.source != "shared"
            whole = ref.kind == "base" or not config.freeze_base
            setting, work = task_of(config, whole)
            pictures = fsum(train.get(name, 0) for name in by_task[ref.task])
            kind: Kind = "base" if whole else "adapter"
            yield Measured(kind, setting, work * pictures, source.seconds)
    if record.status != "finished" or record.adopted_from or len(record.spans) != 1:
        return
    setting, work = evaluation_of(config)
    scoring = fsum(s for ref, s in record.seconds.items() if ref.kind == "evaluation")
    kind = "evaluation" if trains else "taken"
    yield Measured(kind, setting, work * tests, scoring)
    made = fsum(s.seconds for s in record.stages.values() if s.source == "made")
    yield Measured("start", "", 1.0, max(0.0, record.working_seconds - scoring - made))


def _newest(root: Root) -> Iterator[Record]:
    """What is damaged or goes meanwhile is passed over: whoever needs that record says so."""
    paths = list[tuple[float, str, str]]()
    for name in root.study_names():
        for path in root.study(name).trials.glob("*.json"):
            with suppress(OSError):
                paths.append((path.stat().st_mtime, name, path.stem))
    for _, name, key in sorted(paths, reverse=True)[:MOST_RECORDS]:
        record = None
        with suppress(StoreError, OSError):
            record = Ledger(root.study(name)).read_brief(key)
        if record is not None:
            yield record


def _fits(record: Record, resources: Resources) -> bool:
    if resources.gpus_per_trial and resources.device != "cpu":
        return record.device.startswith("cuda")
    return record.device.startswith("cpu") and record.threads == resources.threads


BACKBONES = {
    "resnet18": 1.8e9,
    "resnet34": 3.7e9,
    "resnet50": 4.1e9,
    "wide_resnet50_2": 11.4e9,
    "mobilenetv2_100": 0.3e9,
    "efficientnet": 1.0e9,
    "vit_small": 4.6e9,
    "vit_base": 17.6e9,
    "vit_large": 61e9,
}
"""Multiplications of a picture of 224 pixels, by the beginning of a model's name."""
OTHER_BACKBONE = 4e9


def _backbone_work(config: Config) -> float:
    name = config.backbone.name
    known = [work for start, work in BACKBONES.items() if name.startswith(start)]
    return (known[-1] if known else OTHER_BACKBONE) * (config.image.size / 224) ** 2
