"""One trial: a whole task sequence, trained and evaluated in this process. Knows no runner.

Every stage's result comes from the store or goes there, so that an attempt that was lost costs at
most the stage in work, and trials that need the same stage share it.
"""

import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import torch

from moleflow.data.catalog import ClassData, open_catalog
from moleflow.data.sequences import task_name
from moleflow.errors import DivergedError, StoreAwayError
from moleflow.evaluation import RoutedScores, SequenceEvaluation
from moleflow.features.cache import ClassFeatures, Features
from moleflow.files import has_stumbled
from moleflow.learning import SequenceLearner
from moleflow.measurement import Measurement
from moleflow.saved import new_model, save_model
from moleflow.training.lanes import Bench
from moleflow.truth import KnownTruths, Truth
from orchestration.records.events import Attempt, End, EventLog, read_events
from orchestration.records.history import before_last_attempt
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger, Status
from orchestration.records.stages import SUMMARY, StageRef
from orchestration.sharing.roles import order_free
from orchestration.store.features import Extraction
from orchestration.store.stage_store import PAUSE, SIGN_OF_LIFE
from orchestration.studies.expansion import Trial
from orchestration.studies.terms import Terms
from orchestration.trial.artifacts import write_artifacts
from orchestration.trial.class_features import class_features, selection_pictures
from orchestration.trial.context import TrialContext, open_context
from orchestration.trial.recording import (
    TrialResults,
    class_summary,
    failure_of,
    out_of_memory,
    told_values,
)
from orchestration.trial.scored import StoredEvaluation
from orchestration.trial.stopping import StoppedTrial, Stopping
from orchestration.trial.task_provider import TaskProvider
from orchestration.trial.tasks_left import TasksLeft
from orchestration.trial.trained import link_to_store


def run_trial(trial: Trial, root: Root, terms: Terms) -> Status:
    """Run one trial and publish its record, whatever comes of it.

    Raises:
        OSError, StoreAwayError, torch.AcceleratorError: a lost file system or GPU, which another
            attempt can cure; so may whatever a file system that stumbled has led to.
        DeviceError: this node lacks the GPU that the trial was given; another may have it.
    """
    folder, results = root.study(trial.study), TrialResults()
    ledger = Ledger(folder)
    known = ledger.read(trial.key)
    if known is not None:  # an earlier attempt was lost after its record was written
        return known.status
    events = EventLog(folder.events(trial.key))
    context, leases = open_context(trial, root, terms, events.add)
    with leases:
        host, device = platform.node(), context.keys.device
        events.add(Attempt(host=host, device=device, role=context.role))
        status, failure = to_the_end(context, root, results)
    earlier = before_last_attempt(list(read_events(folder.events(trial.key))))
    ledger.write(results.record(context, status, failure, earlier))
    events.add(End(status=status))
    return status


def to_the_end(
    context: TrialContext, root: Root, results: TrialResults
) -> tuple[Status, Failure | None]:
    """All stages; an error that would come again ends the trial and goes on record."""
    log = context.log
    try:
        run_stages(context, root, results)
    except StoppedTrial as ended:
        results.stopped = ended.stopped
        return "stopped", None
    except DivergedError as error:
        return "diverged", failure_of(error, log.stage, error.numbers)
    except torch.OutOfMemoryError as error:
        return "failed", failure_of(out_of_memory(error), log.stage, {})
    except (OSError, StoreAwayError, torch.AcceleratorError):
        raise
    except Exception as error:
        if has_stumbled(error):
            raise
        return "failed", failure_of(error, log.stage, {})
    return "finished", None


def run_stages(context: TrialContext, root: Root, results: TrialResults) -> None:
    """Features, tasks and their evaluation, the saved model and artifacts."""
    trial, log, folder = context.trial, context.log, root.study(context.trial.study)
    extraction = Extraction(trial.config, trial.weights, context.device)
    if trial.config.backbone.weights != "pretrained":  # asked of timm when they are loaded
        extraction.check_weights()
    data = open_catalog(Path(trial.data_root), trial.classes)
    results.data = {name: class_summary(found) for name, found in data.items()}
    whole = {n: class_features(context, data[n], extraction, root) for n in trial.classes}
    chosen_by = {
        name: selection_pictures(context, data[name], found, extraction)
        for name, found in whole.items()
        if trial.config.data.held_out
    }
    features = {name: found.drawn(trial.config.data, name) for name, found in whole.items()}
    del extraction  # the memory of its backbone is wanted for training
    run = SequenceRun(context, data, features, chosen_by, results)
    if context.terms.search is not None:
        run.stopping = Stopping(trial, context.terms.search, folder)
    entries = run.learn_all()
    last, stage = len(trial.sequence) - 1, StageRef("evaluation", SUMMARY)
    log.begin(stage, last)
    run.summarise()
    run.save_model(folder.model(trial.key), entries)
    artifacts = folder.artifacts(trial.key)
    results.artifacts = write_artifacts(
        artifacts, trial, data, run.evaluation, run.when_learned, run.bits
    )
    log.end(stage, last)


class SequenceRun:
    """The tasks of a trial, learned and evaluated one by one."""

    def __init__(
        self,
        context: TrialContext,
        data: Mapping[str, ClassData],
        features: Mapping[str, ClassFeatures],
        chosen_by: Mapping[str, tuple[Features, Truth]],
        results: TrialResults,
    ):
        """Args:
        data, features: of all classes.
        chosen_by: pictures that settings may be chosen by, of all classes; empty: none is held out.
        results: where what is found goes.
        """
        self.stopping: Stopping | None = None
        """Of a search: what may end the trial before its last task."""
        trial = self._trial = context.trial
        self._context = context
        self._results = results
        self._model = new_model(trial.config, features, trial.seed, trial.sequence[0])
        self._model.to(context.device)
        train = {name: found.train for name, found in features.items()}
        bench = Bench(context.log.note, context.at_once)
        self._learner = SequenceLearner(self._model, train, bench)
        self.bits = {name: found.bits for name, found in features.items()}
        """That values of a class's 16-bit pictures use."""
        tests = {name: found.test for name, found in features.items()}
        memory = StoredEvaluation(context.stage_store, context.keys, context.terms.verify)
        self.evaluation = SequenceEvaluation(
            self._model, trial.sequence, data, tests, memory, context.log.note
        )
        self.when_learned: dict[str, RoutedScores] = {}
        """Of each class right after its task."""
        self._selection = self._selection_of(data, chosen_by) if chosen_by else None

    def _selection_of(
        self, data: Mapping[str, ClassData], chosen_by: Mapping[str, tuple[Features, Truth]]
    ) -> SequenceEvaluation:
        """The same evaluation on other pictures."""
        context = self._context
        return SequenceEvaluation(
            self._model,
            self._trial.sequence,
            data,
            {name: found for name, (found, _) in chosen_by.items()},
            StoredEvaluation(
                context.stage_store, context.keys, context.terms.verify, selection=True
            ),
            context.log.note,
            KnownTruths({name: truth for name, (_, truth) in chosen_by.items()}),
        )

    def learn_all(self) -> list[Path]:
        """Tasks in their order, or several at once; one that another trial is training is passed
        over while others can be learned. What was learned is evaluated as soon as all tasks before
        it are there too.

        Returns:
            Folders of the store that the tasks came from.
        """
        sequence, told = self._trial.sequence, time.monotonic()
        provider = TaskProvider(self._context, self._model, self._learner)
        left = TasksLeft(len(sequence), order_free=order_free(self._trial.config))
        while left:
            any_learned = False
            with closing(provider.learn(left.ready)) as coming:
                for index in coming:
                    any_learned = True
                    digest = self.evaluation.digests.of
                    self._results.learned(self._model, sequence[index], digest)
                    for step in left.learned(index):
                        self._evaluate(step)
            if any_learned:
                continue
            if time.monotonic() - told > SIGN_OF_LIFE:
                self._context.log.waits(task_name(sequence[left.next]))
                told = time.monotonic()
            time.sleep(PAUSE)
        return provider.entries

    def summarise(self) -> None:
        """Once all tasks are learned and evaluated."""
        self._measured(len(self._trial.sequence), self.evaluation.finish())
        self._results.scored(self._trial, self.evaluation)

    def save_model(self, folder: Path, entries: Sequence[Path]) -> None:
        """Write what was learned; files that the store has are one with them."""
        trial, prototypes = self._trial, self.evaluation.prototypes
        self._model.arrange(trial.sequence)
        save_model(folder, self._model, prototypes, trial.weights, trial.fingerprints, self.bits)
        for entry in entries:
            link_to_store(folder, entry)

    def _evaluate(self, index: int) -> None:
        task, log = self._trial.sequence[index], self._context.log
        stage = StageRef("evaluation", task_name(task))
        log.begin(stage, index)
        self.evaluation.learn(self._learner.prototype(task))
        self._measured(index + 1, self.evaluation.measure())
        self.when_learned |= {name: self.evaluation.routed(name) for name in task}
        log.end(stage, index)
        if self._selection is not None:
            stage = StageRef("selection", task_name(task))
            log.begin(stage, index)
            self._selection.learn(self._learner.prototype(task))
            new = self._selection.measure()
            self._results.chosen_by(new, last=index == len(self._trial.sequence) - 1)
            log.measured(index + 1, told_values(new, "selection_"))
            log.end(stage, index)
        if self.stopping is not None:
            results, search = self._results, self.stopping.search
            rows = results.rows if search.on_test else results.selection
            self.stopping.measured(index + 1, rows)

    def _measured(self, step: int, new: Sequence[Measurement]) -> None:
        self._results.rows += new
        self._context.log.measured(step, told_values(new))
