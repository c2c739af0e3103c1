"""Trials one after another in the present process: for tests and debugging."""

import logging
import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from moleflow.files import room_for_file
from orchestration.hiding import safe_text
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Failure, Ledger
from orchestration.records.worker import attempt_line
from orchestration.runners.runner import (
    Runner,
    TrialFunction,
    describe_failure,
    hand_out,
    last_of,
    pause_after,
    run_trial,
)
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.terms import Terms


class InlineRunner(Runner):
    """No worker, so a lost process is a lost study, and a trial that hangs is not ended; all else
    behaves as on a cluster. A trial's log holds what was logged, not what was printed."""

    def check(self) -> None:
        """The place is this process; a trial says itself what it lacks."""

    def run(self, plan: Plan, schedule: Schedule, function: TrialFunction = run_trial) -> None:
        folder = self.root.study(plan.name)
        while (start := hand_out(schedule, folder)) is not None:
            terms = self.terms.model_copy(update={"role": start.role})
            self._run_one(start.trial, terms, folder, function)
            schedule.ended(start.trial.key)

    def _run_one(
        self, trial: Trial, terms: Terms, folder: StudyFolder, function: TrialFunction
    ) -> None:
        started = time.time()
        for attempt in range(self.resources.max_retries + 1):
            try:
                with _logged(folder.log(trial.key)):
                    function(trial, self.root, terms)
                return
            except Exception as error:
                if attempt == self.resources.max_retries:
                    failure = Failure(
                        kind=type(error).__name__,
                        message=last_of(attempt + 1, safe_text(str(error))),
                        traceback=safe_text(traceback.format_exc()),
                    )
                    Ledger(folder).write(describe_failure(trial, failure, folder, started))
                    return
                pause_after(error, folder, trial.key)


@contextmanager
def _logged(path: Path) -> Generator[None]:
    """Everything that Python's loggers say goes to the trial's log too."""
    room_for_file(path)
    with path.open("a", encoding="utf-8") as file:
        file.write(attempt_line())
    handler, root = logging.FileHandler(path, encoding="utf-8", delay=True), logging.getLogger()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    try:
        yield
    except Exception:
        with path.open("a", encoding="utf-8") as file:
            file.write(safe_text(traceback.format_exc()))
        raise
    finally:
        root.removeHandler(handler)
        handler.close()
