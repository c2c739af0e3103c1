"""A run of a study in the driver: runner, live view and tracking side by side; then the results."""

import importlib
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from moleflow.errors import StudyError
from moleflow.wording import counted
from orchestration.hiding import safe_text
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.runners.runner import Runner
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Plan
from orchestration.studies.terms import Terms
from orchestration.tracking import address
from orchestration.tracking.exporter import Exporter, keep_report
from orchestration.tracking.tracker import Tracker
from orchestration.views.progress import progress

if TYPE_CHECKING:
    from orchestration.tracking.mlflow.runs import MlflowTracker

RUNNERS = {
    "ray_tune": ("orchestration.runners.ray_tune", "RayTuneRunner"),
    "inline": ("orchestration.runners.inline", "InlineRunner"),
}


class Session:
    """A root folder, a tracking store, and who is told: where a study is driven.

    Ray and MLflow are imported when they are used: `status` and `report` need neither.
    """

    def __init__(
        self, root: Root, mlflow_uri: str | None, out: Console, err: Console, command: str
    ):
        """Args:
        command: what drives the study, for others to read (without secrets).
        """
        self.root = root
        self.command = command
        self._uri = mlflow_uri
        self._out = out
        self._err = err
        self._told: set[str] = set()

    def tracker(self) -> "MlflowTracker":
        """The tracking store.

        Raises:
            StudyError: its URI is not one.
        """
        from orchestration.tracking.mlflow.runs import MlflowTracker

        return MlflowTracker(self.root, self._uri)

    def exporter(self, plan: Plan, tracker: Tracker) -> Exporter:
        """What carries a study to its tracking store while a block lasts."""
        return Exporter(plan, self.root.study(plan.name), tracker, self.warn)

    def run(
        self, plan: Plan, now: Plan, runner: Runner, schedule: Schedule, exporter: Exporter
    ) -> bool:
        """Run what the schedule holds, and what a search proposes meanwhile; returns whether every
        trial that was to run has finished, or was stopped by the search.

        Args:
            now: the plan, with those trials alone that are to run now.
            exporter: goes on when this returns, with what it has not sent yet.
        """
        folder = self.root.study(plan.name)
        if len(schedule.left) < len(now.trials):
            known = len(now.trials) - len(schedule.left)
            self._out.print(
                f"{known} of {counted(len(now.trials), 'trial')} are in the ledger already"
            )
        with ExitStack() as stack:
            view = stack.enter_context(progress(now, folder, self._out, self.warn))
            schedule.grown += [exporter.grow, view.grow]
            runner.run(now, schedule)
        exporter.no_more()
        from orchestration.records import results  # pandas, which MLflow has imported by now

        results.write(folder)
        for found in schedule.failed_certificates:
            self.warn(
                f"orders are not exchangeable on {found.device} with {found.threads} threads: "
                f"{len(found.mismatches)} of {len(found.hashes)} hashes differ between trials "
                f"{' and '.join(found.trials)}; other orders were trained for real"
            )
        return all(
            (record := Ledger(folder).read_brief(trial.key)) is not None
            and record.status in ("finished", "stopped")
            for trial in schedule.plan.trials
        )

    def keep_report(self, plan: Plan, tracker: Tracker) -> None:
        """Put the study's report and table of results beside its run in the tracking store."""
        keep_report(plan, self.root.study(plan.name), tracker, self.warn)

    def ui_command(self) -> str:
        """The command that shows the tracked runs."""
        return address.ui_command(self._uri, self.root)

    def say(self, text: str) -> None:
        self._out.print(escape(text), soft_wrap=True)

    def warn(self, text: str, style: str = "yellow") -> None:
        """Something that does not end the study; told once, whoever finds it."""
        text = safe_text(text)
        if text in self._told:
            return
        self._told.add(text)
        self._err.print(f"[{style}]warning:[/] {escape(text)}")


def check_runner(name: str) -> str:
    """Raises:
    StudyError: no such runner.
    """
    if name not in RUNNERS:
        raise StudyError(f"--runner {name}: choose one of {', '.join(RUNNERS)}")
    return name


def new_runner(
    name: str, root: Root, terms: Terms, warn: Callable[[str], None] | None = None
) -> Runner:
    """The runner of that name."""
    module, kind = RUNNERS[name]
    return getattr(importlib.import_module(module), kind)(root, terms, warn)
