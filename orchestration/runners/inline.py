"""Trials one after another in the present process: for tests and debugging."""

import time
import traceback
from collections.abc import Sequence

from orchestration.ledger import Failure, Ledger
from orchestration.runners.base import Runner, TrialFunction, describe_failure, last_of, run_trial
from orchestration.study import Plan, Trial


class InlineRunner(Runner):
    """No worker, so a lost process is a lost study; everything else behaves as on a cluster."""

    def run(self, plan: Plan, trials: Sequence[Trial], function: TrialFunction = run_trial) -> None:
        for trial in trials:
            self._run_one(trial, function)

    def _run_one(self, trial: Trial, function: TrialFunction) -> None:
        folder = self.root.study(trial.study)
        started = time.time()
        for attempt in range(self.resources.max_retries + 1):
            try:
                function(trial, self.root, self.resources)
                return
            except Exception as error:
                if attempt == self.resources.max_retries:
                    failure = Failure(
                        kind=type(error).__name__,
                        message=last_of(attempt + 1, str(error)),
                        traceback=traceback.format_exc(),
                    )
                    record = describe_failure(trial, failure, folder, started)
                    Ledger(folder).write(record)
