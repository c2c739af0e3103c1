"""Trials that are run again, and what they left: it is kept beside what they will leave.

Those that failed or diverged are, where it is asked for (`--retry`); those that another version has
measured always are, from what the store still holds of them.
"""

from collections import defaultdict

from moleflow.errors import StoreError, StudyError
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.versions import raises_since, result_versions

RETRIED = ("failed", "diverged", "stopped")


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
        _keep_earlier(folder, trial.key)
        keys.append(trial.key)
    return keys


def renew(plan: Plan, folder: StudyFolder) -> tuple[int, list[str]]:
    """Move the records of trials that other versions measured to `trials/<key>/earlier/`, so that
    numbers of two versions never stand in one table.

    Returns:
        How many there were, and what has changed since.

    Raises:
        StoreError: the study's folder cannot be written.
        MisfitError: a file of the ledger is not the record of its name.
    """
    planned: dict[object, list[Trial]] = defaultdict(list)
    for trial in plan.trials:
        planned[trial.sequence, trial.seed, trial.weights].append(trial)
    ledger, moved = Ledger(folder), 0
    changes: dict[str, None] = {}
    for key in set(ledger.keys()) - {trial.key for trial in plan.trials}:
        record = ledger.read_brief(key)
        if record is None or record.result_versions == result_versions(record.config):
            continue
        alike = planned.get((record.sequence, record.seed, record.weights), [])
        if any(record.identity == trial.identity for trial in alike):
            _keep_earlier(folder, key)
            changes |= dict.fromkeys(raises_since(record.result_versions))
            moved += 1
    return moved, list(changes)


def _keep_earlier(folder: StudyFolder, key: str) -> None:
    earlier = folder.trial(key) / "earlier"
    try:
        earlier.mkdir(parents=True, exist_ok=True)
        number = len(list(earlier.iterdir())) + 1
        folder.record(key).rename(earlier / f"{number}.json")
    except OSError as error:
        raise StoreError(
            f"{earlier}: cannot be written ({error.strerror}); mend its permissions"
        ) from None
