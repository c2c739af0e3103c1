"""One trial: a whole task sequence, trained and evaluated in this process. Knows no runner.

Every stage's result comes from the store or goes there, so that an attempt that was lost costs at
most the stage in work, and trials that need the same stage share it.
"""

import platform
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import torch

from moleflow.data.catalog import ClassData, open_catalog
from moleflow.data.sequences import Task, task_name
from moleflow.device import prepare
from moleflow.errors import DataError, DeviceError, DivergedError, StoreAwayError
from moleflow.evaluation import SequenceEvaluation
from moleflow.features.cache import ClassFeatures, open_features
from moleflow.model import MoLEFlow
from moleflow.router import task_prototype
from moleflow.saved import new_model, save_model
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.events import Attempt, End, EventLog, read_events
from orchestration.records.history import all_seconds, before_last_attempt
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger, Record, RoutingCounts, Span, Status
from orchestration.records.provenance import device_kind, peak_memory, versions
from orchestration.records.stages import SUMMARY, StageRef
from orchestration.sharing.certificate import holds_on
from orchestration.sharing.groups import group_id
from orchestration.sharing.roles import keys_in_role, order_free
from orchestration.store.address import safe_store
from orchestration.store.features import Extraction
from orchestration.store.lease import Leases
from orchestration.store.stage_store import PAUSE, SIGN_OF_LIFE, StageStore
from orchestration.store.store import open_store
from orchestration.studies.expansion import Trial
from orchestration.studies.terms import Resources, Role, Terms
from orchestration.studies.versions import result_versions
from orchestration.trial.artifacts import write_artifacts
from orchestration.trial.attempt_log import AttemptLog
from orchestration.trial.learning import Learner
from orchestration.trial.origin import origin, source_of
from orchestration.trial.recording import (
    class_summary,
    failure_of,
    out_of_memory,
    routing_counts,
    tracking_values,
)
from orchestration.trial.scored import StoredEvaluation
from orchestration.trial.trained import link_to_store


def run_trial(trial: Trial, root: Root, terms: Terms) -> Status:
    """Run one trial and publish its record, whatever comes of it.

    Raises:
        OSError, StoreAwayError, torch.AcceleratorError: a lost file system or GPU, which another
            attempt can cure.
        DeviceError: this node lacks the GPU that the trial was given; another may have it.
    """
    ledger = Ledger(root.study(trial.study))
    known = ledger.read(trial.key)
    if known is not None:  # an earlier attempt was lost after its record was written
        return known.status
    run = SequenceRun(trial, root, terms)
    with run.leases:
        record = run.to_the_end()
    ledger.write(record)
    run.events.add(End(status=record.status))
    return record.status


@dataclass
class SequenceRun:
    """What one attempt at a trial has gathered so far."""

    trial: Trial
    root: Root
    terms: Terms
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
        self.log = AttemptLog(self.events)
        self.device = prepare_torch(self.terms.resources)
        self.role: Role = self._role()
        kind, threads = device_kind(self.device), torch.get_num_threads()
        self.keys = keys_in_role(self.trial, self.role, kind, threads)
        self.leases = Leases(self.root.leases, self.trial.key, warn=self.log.note)
        store = open_store(self.terms.store, self.root, self.log.note)
        self.stage_store = StageStore(store, self.leases, self.log.waits)
        self.memory = StoredEvaluation(self.stage_store, self.keys, self.terms.verify)

    def _role(self) -> Role:
        """A derived trial trains apart where no certificate speaks of this kind of machine."""
        kind, threads = device_kind(self.device), torch.get_num_threads()
        group = group_id(self.trial)
        if self.terms.role == "derived" and not holds_on(self.folder, group, kind, threads):
            return "witness"
        return self.terms.role

    def to_the_end(self) -> Record:
        """All stages; an error that would come again ends the trial and goes on record."""
        self.events.add(Attempt(host=platform.node(), device=self.keys.device, role=self.role))
        try:
            self._run_stages()
        except DivergedError as error:
            return self._record("diverged", failure_of(error, self.log.stage, error.numbers))
        except torch.OutOfMemoryError as error:
            return self._record("failed", failure_of(out_of_memory(error), self.log.stage, {}))
        except (OSError, StoreAwayError, torch.AcceleratorError):
            raise
        except Exception as error:
            return self._record("failed", failure_of(error, self.log.stage, {}))
        return self._record("finished", None)

    def _run_stages(self) -> None:
        trial = self.trial
        extraction = Extraction(trial.config, trial.weights, self.device)
        if trial.config.backbone.weights != "pretrained":  # asked of timm when they are loaded
            extraction.check_weights()
        self.data = open_catalog(Path(trial.data_root), trial.classes)
        self.features = {name: self._features(name, extraction) for name in trial.classes}
        del extraction  # the memory of its backbone is wanted for training
        model = new_model(trial.config, self.features, trial.seed, trial.sequence[0])
        model.to(self.device)
        tests = {name: found.test for name, found in self.features.items()}
        self.evaluation = SequenceEvaluation(
            model, trial.sequence, self.data, tests, self.memory, self.log.note
        )
        entries = self._learn_all(model)
        self._finish(model, entries)

    def _features(self, name: str, extraction: Extraction) -> ClassFeatures:
        data, files = self.data[name], self.trial.fingerprints[name]
        if checked_fingerprint(data, self.root) != files:
            raise DataError(
                f"{self.trial.data_root}: files of class {name} are not those that the study was "
                "planned on; run the study again to plan it anew"
            )
        stage = StageRef("features", name)
        self.log.begin(stage)
        key, made = self.keys.features(name), False

        def make(folder: Path) -> None:
            nonlocal made
            start = time.perf_counter()
            extraction.of(data, files)(folder)
            origin(self.trial, self.terms, self.device, time.perf_counter() - start).write(folder)
            made = True

        folder = self.stage_store.get("features", key, make)
        source = source_of(self.trial, "features", key, folder, made)
        self.log.end(stage, source=source)
        return open_features(folder).drawn(self.trial.config.data, name)

    def _learn_all(self, model: MoLEFlow) -> list[Path]:
        """Tasks in their order, or several at once; one that another trial is training is passed
        over while others can be learned. What was learned is evaluated as soon as all tasks before
        it are there too.

        Returns:
            Folders of the store that the tasks came from.
        """
        trial = self.trial
        learner = Learner(
            trial,
            self.terms,
            self.keys,
            self.stage_store,
            self.log,
            self.features,
            self.device,
            self._at_once,
        )
        waiting, evaluated, told = list(range(len(trial.sequence))), 0, time.monotonic()
        while waiting:
            before = len(waiting)
            with closing(learner.learn(model, self._ready(waiting))) as coming:
                for learned in coming:
                    waiting.remove(learned)
                    self._learned(model, learned)
                    while evaluated < len(trial.sequence) and evaluated not in waiting:
                        self._evaluate(evaluated, trial.sequence[evaluated])
                        evaluated += 1
            if len(waiting) < before:
                continue
            if time.monotonic() - told > SIGN_OF_LIFE:
                self.log.waits(task_name(trial.sequence[waiting[0]]))
                told = time.monotonic()
            time.sleep(PAUSE)
        return learner.entries

    @property
    def _at_once(self) -> int:
        """Most tasks to be trained side by side. A witness trains them one after the other: what it
        is compared with then had other company, and other tasks before it."""
        return 1 if self.role == "witness" else self.terms.resources.tasks_at_once

    def _ready(self, waiting: Sequence[int]) -> Sequence[int]:
        """Tasks that can be learned now: the next, or with a frozen base all after task 0."""
        free = order_free(self.trial.config) and 0 not in waiting
        return tuple(waiting if free else waiting[:1])

    def _learned(self, model: MoLEFlow, index: int) -> None:
        """Put a learned task on record."""
        assert self.evaluation is not None
        digest = self.evaluation.digests.of
        task, name = self.trial.sequence[index], task_name(self.trial.sequence[index])
        bank = model.banks[task]
        self.hashes["base"] = digest(model.base)
        self.parameters["base"] = sum(p.numel() for p in model.base.parameters())
        if self.trial.config.separate:
            self.hashes[f"base {name}"] = digest(model.base_of(task))
        self.hashes[f"bank {name}"] = digest(bank)
        counts = bank.parameter_counts()
        self.parameters |= {f"bank/{part}": count for part, count in counts.items()}
        self.parameters["bank"] = sum(counts.values())

    def _evaluate(self, index: int, task: Task) -> None:
        assert self.evaluation is not None
        stage = StageRef("evaluation", task_name(task))
        self.log.begin(stage, index)
        self.evaluation.learn(
            task_prototype([self.features[c].train.means for c in task], self.trial.config.router)
        )
        new = self.evaluation.measure()
        self.log.measured(index + 1, tracking_values(new))
        self.log.end(stage, index)

    def _finish(self, model: MoLEFlow, entries: Sequence[Path]) -> None:
        assert self.evaluation is not None
        last, stage = len(self.trial.sequence), StageRef("evaluation", SUMMARY)
        self.log.begin(stage, last - 1)
        new = self.evaluation.finish()
        self.log.measured(last, tracking_values(new))
        for task in self.trial.sequence:
            for name in task:
                self.hashes[f"scores {name}"] = self.evaluation.score_digest(name, task)
        self.routing = routing_counts(self.trial, self.evaluation)
        model.arrange(self.trial.sequence)
        bits = {name: found.bits for name, found in self.features.items()}
        save_model(
            self.folder.model(self.trial.key),
            model,
            self.evaluation.prototypes,
            self.trial.weights,
            self.trial.fingerprints,
            bits,
        )
        for entry in entries:
            link_to_store(self.folder.model(self.trial.key), entry)
        folder = self.folder.artifacts(self.trial.key)
        self.artifacts = write_artifacts(folder, self.trial, self.data, self.evaluation, bits)
        self.log.end(stage, last - 1)

    def _record(self, status: Status, failure: Failure | None) -> Record:
        trial = self.trial
        earlier = before_last_attempt(list(read_events(self.folder.events(trial.key))))
        spans = (*earlier.spans, Span(started=self.started, ended=time.time()))
        rows = self.evaluation.measurements if self.evaluation else []
        return Record(
            **dict(trial),
            status=status,
            failure=failure,
            data={name: class_summary(found) for name, found in self.data.items()},
            result_versions=result_versions(),
            versions=versions(),
            git=self.terms.revision,
            store=safe_store(self.terms.store),
            device=self.keys.device,
            threads=self.keys.threads,
            host=platform.node(),
            started=spans[0].started,
            ended=spans[-1].ended,
            attempts=len(spans),
            spans=spans,
            role=self.role,
            stages=self.log.sources,
            uses=self.stage_store.used,
            seconds=all_seconds(earlier, self.log.seconds, self.log.sources),
            rows=tuple(rows),
            hashes=self.hashes,
            routing=self.routing,
            parameters=self.parameters,
            peak_memory=peak_memory(),
            artifacts=self.artifacts,
        )


def prepare_torch(resources: Resources) -> torch.device:
    """Threads equal to the trial's CPUs, deterministic algorithms, its share of a GPU's memory.

    Raises:
        DeviceError: the trial was given a GPU, and torch sees none. Never another device instead.
    """
    if resources.gpus_per_trial == 0 or resources.device == "cpu":
        return prepare(torch.device("cpu"), resources.threads)
    if not torch.cuda.is_available():
        raise DeviceError(
            f"{platform.node()}: a trial was given {resources.gpus_per_trial:g} GPUs, and torch "
            "sees none there; install a build of torch with CUDA on that node (`moleflow doctor` "
            "says more), or run on processors: --gpus-per-trial 0"
        )
    if resources.gpus_per_trial < 1:
        # torch leaves `fraction` without a type.
        torch.cuda.set_per_process_memory_fraction(  # pyright: ignore[reportUnknownMemberType]
            resources.gpus_per_trial
        )
    return prepare(torch.device("cuda"), resources.threads)
