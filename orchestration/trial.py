"""One trial: a whole task sequence, trained and evaluated in this process. Knows no runner."""

import platform
import time
import traceback
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from moleflow.data.catalog import ClassData, fingerprint, open_catalog
from moleflow.data.sequences import Task, task_name
from moleflow.errors import DataError, DivergedError, MoleflowError, WeightsError
from moleflow.evaluation import Measurement, SequenceEvaluation
from moleflow.features.backbone import Backbone, load_backbone, weights_identity
from moleflow.features.cache import ClassFeatures
from moleflow.model import MoLEFlow
from moleflow.routing import task_prototype
from moleflow.saved import new_model, save_model
from moleflow.tasks.freeze import module_digest
from moleflow.training.memory import keep_freed_memory
from moleflow.training.stages import train_task
from orchestration.artifacts import write_artifacts
from orchestration.events import EventLog, read_events
from orchestration.features import stored_features
from orchestration.layout import Root
from orchestration.ledger import (
    ClassSummary,
    Failure,
    Ledger,
    Record,
    RoutingCounts,
    Row,
    Status,
)
from orchestration.provenance import device_kind, git_revision, peak_memory, versions
from orchestration.runners.base import Resources
from orchestration.store import Store
from orchestration.study import Trial


def run_trial(trial: Trial, root: Root, resources: Resources) -> Status:
    """Run one trial and publish its record, whatever comes of it.

    Raises:
        OSError, torch.AcceleratorError: a lost file system or GPU, which another attempt can cure.
    """
    ledger = Ledger(root.study(trial.study))
    known = ledger.read(trial.key)
    if known is not None:  # an earlier attempt was lost after its record was written
        return known.status
    run = SequenceRun(trial, root, resources)
    record = run.to_the_end()
    ledger.write(record)
    run.events.add("end", note=record.status)
    return record.status


@dataclass
class SequenceRun:
    """What one attempt at a trial has gathered so far."""

    trial: Trial
    root: Root
    resources: Resources
    stage: str = ""
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    hashes: dict[str, str] = field(default_factory=dict[str, str])
    parameters: dict[str, int] = field(default_factory=dict[str, int])
    data: dict[str, ClassData] = field(default_factory=dict[str, ClassData])
    features: dict[str, ClassFeatures] = field(default_factory=dict[str, ClassFeatures])
    artifacts: tuple[str, ...] = ()
    routing: RoutingCounts | None = None
    evaluation: SequenceEvaluation | None = None

    def __post_init__(self) -> None:
        self.started = time.time()
        self.folder = self.root.study(self.trial.study)
        self.events = EventLog(self.folder.events(self.trial.key))
        self.device = prepare_torch(self.resources)
        self.store = Store(self.root.store)

    def to_the_end(self) -> Record:
        """All stages; an error that would come again ends the trial and goes on record."""
        self.events.add("attempt", note=f"{platform.node()} {self.device}")
        try:
            self._run_stages()
        except DivergedError as error:
            return self._record("diverged", error, error.numbers)
        except torch.OutOfMemoryError as error:
            return self._record("failed", _out_of_memory(error), {})
        except (OSError, torch.AcceleratorError):
            raise
        except Exception as error:
            return self._record("failed", error, {})
        return self._record("finished", None, {})

    def _run_stages(self) -> None:
        trial = self.trial
        if weights_identity(trial.config.backbone) != trial.weights:
            raise WeightsError(
                f"backbone.weights: {trial.config.backbone.weights} is not what the study was "
                "planned with; run the study again to plan it anew"
            )
        self.data = open_catalog(Path(trial.data_root), trial.classes)
        self.features = {name: self._features(name) for name in trial.classes}
        self.__dict__.pop("_backbone", None)  # its memory is wanted for training
        model = new_model(trial.config, self.features, trial.seed, trial.sequence[0])
        model.to(self.device)
        tests = {name: found.test for name, found in self.features.items()}
        self.evaluation = SequenceEvaluation(model, trial.sequence, self.data, tests)
        for index, task in enumerate(trial.sequence):
            self._train(model, index)
            self._evaluate(index, task)
        self._finish(model)

    def _features(self, name: str) -> ClassFeatures:
        data = self.data[name]
        found = fingerprint(data)
        if found != self.trial.fingerprints[name]:
            raise DataError(
                f"{self.trial.data_root}: files of class {name} are not those that the study was "
                "planned on; run the study again to plan it anew"
            )
        self._begin("features", name)
        features = stored_features(
            self.store,
            self.trial.config,
            data,
            found,
            self.trial.weights,
            self.device,
            lambda: self._backbone,
        )
        self._end("features", name)
        return features

    @cached_property
    def _backbone(self) -> Backbone:
        """Loaded once, and only if some class has no features yet."""
        return load_backbone(self.trial.config.backbone)

    def _train(self, model: MoLEFlow, index: int) -> None:
        task = self.trial.sequence[index]
        name, stage = task_name(task), "adapter" if index else "base"
        self._begin(stage, name, index)
        for end in train_task(model, task, [self.features[c].train.patches for c in task]):
            self.events.add(
                "epoch",
                stage=stage,
                name=name,
                task=index,
                tasks=len(self.trial.sequence),
                epoch=end.epoch,
                epochs=end.epochs,
                step=end.epoch,
                seconds=end.seconds,
                values={
                    f"loss/{name}": end.loss,
                    f"grad_norm/{name}": end.grad_norm,
                    f"lr/{name}": end.lr,
                },
            )
        bank = model.banks[task]
        self.hashes["base"] = module_digest(model.base)
        self.parameters["base"] = sum(p.numel() for p in model.base.parameters())
        if self.trial.config.separate:
            self.hashes[f"base {name}"] = module_digest(model.base_of(task))
        self.hashes[f"bank {name}"] = module_digest(bank)
        counts = bank.parameter_counts()
        self.parameters |= {f"bank/{part}": count for part, count in counts.items()}
        self.parameters["bank"] = sum(counts.values())
        self._end(stage, name, index)

    def _evaluate(self, index: int, task: Task) -> None:
        assert self.evaluation is not None
        name = task_name(task)
        self._begin("evaluation", name, index)
        self.evaluation.learn(
            task_prototype([self.features[c].train.means for c in task], self.trial.config.router)
        )
        new = self.evaluation.measure()
        self.events.add("metrics", step=index + 1, task=index, values=tracking_values(new))
        self._end("evaluation", name, index)

    def _finish(self, model: MoLEFlow) -> None:
        assert self.evaluation is not None
        last = len(self.trial.sequence)
        self._begin("evaluation", "summary", last - 1)
        new = self.evaluation.finish()
        self.events.add("metrics", step=last, task=last - 1, values=tracking_values(new))
        for task in self.trial.sequence:
            for name in task:
                self.hashes[f"scores {name}"] = self.evaluation.score_digest(name, task)
        self.routing = routing_counts(self.trial, self.evaluation)
        save_model(
            self.folder.model(self.trial.key),
            model,
            self.evaluation.prototypes,
            self.trial.weights,
            self.trial.fingerprints,
        )
        folder = self.folder.artifacts(self.trial.key)
        self.artifacts = write_artifacts(folder, self.trial, self.data, self.evaluation)
        self._end("evaluation", "summary", last - 1)

    def _begin(self, stage: str, name: str, index: int = 0) -> None:
        self.stage, self._since = f"{stage} {name}", time.perf_counter()
        tasks = len(self.trial.sequence)
        self.events.add("stage", stage=stage, name=name, state="started", task=index, tasks=tasks)

    def _end(self, stage: str, name: str, index: int = 0) -> None:
        taken = time.perf_counter() - self._since
        self.seconds[self.stage] = round(taken, 3)
        self.events.add(
            "stage",
            stage=stage,
            name=name,
            state="finished",
            task=index,
            tasks=len(self.trial.sequence),
            seconds=taken,
        )

    def _record(
        self, status: Status, error: Exception | None, numbers: dict[str, object]
    ) -> Record:
        trial = self.trial
        attempts = [e for e in read_events(self.folder.events(trial.key)) if e.kind == "attempt"]
        rows = self.evaluation.measurements if self.evaluation else []
        return Record(
            key=trial.key,
            study=trial.study,
            status=status,
            failure=None if error is None else _failure(error, self.stage, numbers),
            axes=trial.axes,
            sequence=trial.sequence,
            seed=trial.seed,
            config=trial.config,
            data_root=trial.data_root,
            data={name: self._summary(name) for name in self.data},
            weights=trial.weights,
            versions=versions(),
            git=git_revision(),
            device=device_kind(self.device),
            threads=torch.get_num_threads(),
            host=platform.node(),
            started=self.started,
            ended=time.time(),
            attempts=len(attempts),
            seconds=self.seconds,
            rows=tuple(_row(measurement) for measurement in rows),
            hashes=self.hashes,
            routing=self.routing,
            parameters=self.parameters,
            peak_memory=peak_memory(),
            artifacts=self.artifacts,
        )

    def _summary(self, name: str) -> ClassSummary:
        data = self.data[name]
        return ClassSummary(
            train=len(data.train),
            test_good=data.test_good,
            test_anomalous=data.test_anomalous,
            masks=data.masks,
            fingerprint=self.trial.fingerprints[name],
        )


def prepare_torch(resources: Resources) -> torch.device:
    """Threads equal to the trial's CPUs, deterministic algorithms, its share of a GPU's memory."""
    torch.set_num_threads(resources.threads)
    torch.use_deterministic_algorithms(True)
    if resources.gpus_per_trial == 0 or not torch.cuda.is_available():
        keep_freed_memory()
        return torch.device("cpu")
    torch.backends.cudnn.benchmark = False
    if resources.gpus_per_trial < 1:
        # torch leaves `fraction` without a type.
        torch.cuda.set_per_process_memory_fraction(  # pyright: ignore[reportUnknownMemberType]
            resources.gpus_per_trial
        )
    return torch.device("cuda")


def tracking_values(measurements: list[Measurement]) -> dict[str, float]:
    """Measurements by the names they have in tracking: `image_auroc/mean`, `image_auroc/bottle`,
    `oracle_image_auroc/…` under the true task, and `summary_…/<definition>` at the end."""
    values: dict[str, float] = {}
    for row in measurements:
        prefix = "oracle_" if row.routing == "oracle" else ""
        match row.definition:
            case "step":
                values[f"{prefix}{row.metric}/{row.class_name}"] = row.value
            case "step_mean":
                values[f"{prefix}{row.metric}/mean"] = row.value
            case definition:
                values[f"summary_{prefix}{row.metric}/{definition.replace('/', '_')}"] = row.value
    return values


def routing_counts(trial: Trial, evaluation: SequenceEvaluation) -> RoutingCounts:
    """Confusion of the router over all test pictures after the last task, and smallest margin."""
    counts: list[tuple[int, ...]] = []
    margins: list[float] = []
    for own, task in enumerate(trial.sequence):
        for name in task:
            routing = evaluation.routing(name)
            chosen = [int(c) for c in routing.chosen]
            counts.append(tuple(chosen.count(t) for t in range(len(trial.sequence))))
            others = [t for t in range(len(trial.sequence)) if t != own]
            if others:
                nearest = routing.distances[:, others].min(axis=1)
                margins.append(float((nearest - routing.distances[:, own]).min()))
    return RoutingCounts(
        classes=trial.classes,
        tasks=tuple(task_name(task) for task in trial.sequence),
        counts=tuple(counts),
        smallest_margin=min(margins) if margins else None,
    )


def _row(measurement: Measurement) -> Row:
    return Row.model_validate(vars(measurement))


def _failure(error: Exception, stage: str, numbers: dict[str, object]) -> Failure:
    known = isinstance(error, MoleflowError)
    return Failure(
        kind=type(error).__name__,
        message=str(error) or repr(error),
        stage=stage,
        numbers=numbers,
        traceback="" if known else "".join(traceback.format_exception(error)),
    )


def _out_of_memory(error: torch.OutOfMemoryError) -> MoleflowError:
    first = str(error).splitlines()[0]
    return MoleflowError(
        f"the GPU's memory is full ({first}); give each trial more of a GPU (--gpus-per-trial) "
        "or use a smaller --set training.batch_size=N"
    )
