"""Whether a trial of a search goes on after some of its tasks."""

from collections.abc import Sequence

from moleflow.measurement import Measurement
from moleflow.wording import counted
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Stopped
from orchestration.records.objective import mean_of
from orchestration.records.rungs import arrive
from orchestration.studies.expansion import Trial
from orchestration.studies.points import PROPOSAL
from orchestration.studies.search import Search
from orchestration.studies.trial_keys import digest


class StoppedTrial(Exception):
    """Others of the search are better here."""

    def __init__(self, stopped: Stopped):
        super().__init__(
            f"{stopped.place}. of {stopped.among} after {counted(stopped.tasks, 'task')}"
        )
        self.stopped = stopped


class Stopping:
    """Compares a trial with others that differ in their proposal alone."""

    def __init__(self, trial: Trial, search: Search, folder: StudyFolder):
        self._trial, self._folder = trial, folder
        self.search = search

    def measured(self, tasks: int, rows: Sequence[Measurement]) -> None:
        """So many tasks are learned.

        Args:
            rows: measured on what the search chooses by.

        Raises:
            StoppedTrial: it does not go on.
        """
        if tasks not in self.search.rungs or tasks == len(self._trial.sequence):
            return
        value = mean_of(rows, self.search, "step_mean")
        if value is None:
            return
        rung = self._folder.rung(self.group, tasks)
        found = arrive(rung, self._trial.key, tasks, value, self.search.keep)
        if not found.goes_on:
            raise StoppedTrial(
                Stopped(tasks=tasks, value=value, place=found.place, among=found.among)
            )

    @property
    def group(self) -> str:
        """Of the trials that it is compared with."""
        searched = {PROPOSAL, *self.search.space}
        axes = {name: value for name, value in self._trial.axes.items() if name not in searched}
        search = self.search.model_dump(mode="json", exclude={"trials"})
        return digest([search, self._trial.sequence, self._trial.seed, axes])
