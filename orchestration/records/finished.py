"""A study that was run, read from its root folder. Imports neither Ray, MLflow nor torch."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Ledger, Record
from orchestration.records.plans import plan_of, read_plan
from orchestration.studies.expansion import Plan

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Result:
    """What a study came to, as far as it has run. Looked up once, when it is first asked for."""

    name: str
    root: Path

    @cached_property
    def plan(self) -> Plan:
        """What was asked, resolved to trials."""
        return plan_of(self._folder)

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """One row a number, with the columns of `results.parquet`: study, trial, status, an
        `axis.<name>` for each axis, seed, order, task0, step, task, class, metric, definition,
        routing and value (a fraction of 1).

        Raises:
            StoreError: a record is damaged, or the root folder cannot be written.
        """
        from orchestration.records import results  # pandas takes a second

        return results.current(self._folder)

    @property
    def finished(self) -> tuple[Record, ...]:
        """Records of the trials that finished, in the plan's order, without their rows."""
        return self._with_status("finished")

    @property
    def failed(self) -> tuple[Record, ...]:
        """Records of the trials that failed or diverged: `.status`, `.failure.message`."""
        return self._with_status("failed", "diverged")

    @property
    def stopped(self) -> tuple[Record, ...]:
        """Records of the trials that a search has stopped: `.stopped.tasks`, `.stopped.value`."""
        return self._with_status("stopped")

    @property
    def left(self) -> int:
        """Trials of the plan that have no record yet."""
        return len(self.plan.trials) - len(self._records)

    @property
    def report(self) -> Path:
        """The page of its report; `moleflow report` writes it anew."""
        return self._folder.report / "index.html"

    @property
    def _folder(self) -> StudyFolder:
        return Root.at(self.root).study(self.name)

    @cached_property
    def _records(self) -> tuple[Record, ...]:
        ledger = Ledger(self._folder)
        found = (ledger.read_brief(trial.key) for trial in self.plan.trials)
        return tuple(record for record in found if record is not None)

    def _with_status(self, *statuses: str) -> tuple[Record, ...]:
        return tuple(record for record in self._records if record.status in statuses)


def load(root: Path | str, study: str) -> Result:
    """A study that was run in a root folder, from its files alone.

    Raises:
        StudyError: the root folder holds no such study.
        StoreError: its plan is damaged, or the root folder is of another format.
    """
    place = Root.at(Path(root))
    read_plan(study, place)
    return Result(name=study, root=place.path)
