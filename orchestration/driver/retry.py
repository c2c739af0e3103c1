"""`--retry`: trials that failed or diverged are run again; what they left is kept."""

from moleflow.errors import StoreError, StudyError
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger
from orchestration.studies.expansion import Plan

RETRIED = ("failed", "diverged")


def check_retry(statuses: tuple[str, ...]) -> None:
    """Raises:
    StudyError: a status that cannot be retried.
    """
    for status in statuses:
        if status not in RETRIED:
            raise StudyError(f"--retry {status}: choose {' or '.join(RETRIED)}")


def retry(plan: Plan, folder: StudyFolder, statuses: tuple[str, ...]) -> list[str]:
    """Move the records of these statuses to `trials/<key>/earlier/`; returns the trials' keys.

    Raises:
        StoreError: the study's folder cannot be written.
    """
    keys: list[str] = []
    if not statuses:
        return keys
    for trial in plan.trials:
        record = Ledger(folder).read_brief(trial.key)
        if record is None or record.status not in statuses:
            continue
        earlier = folder.trial(trial.key) / "earlier"
        try:
            earlier.mkdir(parents=True, exist_ok=True)
            number = len(list(earlier.iterdir())) + 1
            folder.record(trial.key).rename(earlier / f"{number}.json")
        except OSError as error:
            raise StoreError(
                f"{earlier}: cannot be written ({error.strerror}); mend its permissions"
            ) from None
        keys.append(trial.key)
    return keys
