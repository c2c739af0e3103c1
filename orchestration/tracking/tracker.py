"""What a tracking store must be able to do. All it holds derives from events and the ledger."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from moleflow.errors import MoleflowError
from orchestration.records.events import Event
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Record
from orchestration.studies.expansion import Plan, Trial


class TrackingError(MoleflowError):
    """The tracking store did not take something. Never ends a study."""


class TrackerAway(TrackingError):
    """The store cannot be reached just now: the same call may succeed later."""


class TrackerRefused(TrackingError):
    """The store will not take this, now or later."""


class Tracker(ABC):
    """One run for the study and, below it, one for each trial.

    Every method may be called again with the same arguments, also by a later process, and then
    changes nothing. Where the store fails, each raises TrackerAway or TrackerRefused, nothing else.
    Trials may be more than the plan's: what the ledger holds of earlier plans is kept.
    """

    @abstractmethod
    def options(self) -> tuple[str, ...]:
        """Options of the command line that name this store."""

    @abstractmethod
    def begin(self, plan: Plan, started: float) -> None:
        """Find or make the study's run. Called before everything else.

        Args:
            started: when the first trial did, or now.
        """

    @abstractmethod
    def grow(self, plan: Plan) -> None:
        """The plan has come to hold more trials; may be called from another thread."""

    @abstractmethod
    def news(self) -> str:
        """What whoever runs the study should know of the store, as a sentence: whose experiment it
        has joined, that it was made anew. Known after `begin`; mostly empty."""

    @abstractmethod
    def holds(self, trial: Trial, record: Record) -> bool:
        """Whether the store is known to hold the trial to its end: nothing need be sent again."""

    @abstractmethod
    def log(self, trial: Trial, events: Sequence[Event]) -> None:
        """Find or make the trial's run and add the events' values, with the events' times."""

    @abstractmethod
    def finish(self, trial: Trial, record: Record, folder: StudyFolder) -> None:
        """End the trial's run with the record's status, and keep the record and its artifacts."""

    def answer(self, plan: Plan, records: Sequence[Record]) -> None:  # noqa: B027 no store must
        """Bring the study's run up to what all of these say together; of trials of the plan that
        have ended. A store that only keeps what is sent has nothing to do."""

    @abstractmethod
    def interrupt(self, trial: Trial, ended: float) -> None:
        """End the run of a trial that has no record, where it has a run."""

    @abstractmethod
    def end(self, plan: Plan, records: Sequence[Record], ended: float) -> None:
        """End the study's run, with the status that `study_status` gives, and all that runs yet."""

    @abstractmethod
    def keep_report(self, plan: Plan, folder: StudyFolder) -> None:
        """Keep the study's report and its table of results, those that are there, with its run.

        Needs no `begin`; a study that has no run yet keeps none.
        """


def study_status(plan: Plan, records: Sequence[Record]) -> str:
    """`finished`, `failed` where a trial did not finish, `killed` where a record is missing. A
    trial that a search stopped has come to its end."""
    if len(records) < len(plan.trials) or plan.to_propose:
        return "killed"
    return status_of(records)


def status_of(records: Sequence[Record]) -> str:
    """Of trials that all have a record."""
    ends = {record.status for record in records}
    return "finished" if ends <= {"finished", "stopped"} else "failed"


def quiet_environment() -> dict[str, str]:
    """Variables that the CLI sets before MLflow is imported: a server that is away costs seconds,
    not minutes, and nothing but results is sent anywhere or printed.

    Without retries: MLflow would repeat a call whose answer was lost, and make a second run.
    """
    return {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        # No process that is started imports modules from the folder that it is started in.
        "PYTHONSAFEPATH": "1",
    }
