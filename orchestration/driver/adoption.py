"""Trials that another study of the same root has finished: the same trial is run once."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from moleflow.errors import StoreError
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Ledger, MisfitError, Record
from orchestration.studies.expansion import Plan, Trial


def adopt(plan: Plan, root: Root, tell: Callable[[str], None] = lambda text: None) -> list[Record]:
    """Take over what other studies know of the plan's trials that have no record here yet.

    Args:
        tell: told of files that are not the records that they are named after.

    Returns:
        The records taken over; each names the study it comes from.

    Raises:
        StoreError: the study's folder cannot be written.
    """
    folder = root.study(plan.name)
    ledger = Ledger(folder)
    others = [root.study(name) for name in root.study_names() if name != plan.name]
    adopted: list[Record] = []
    for trial in plan.trials:
        if folder.record(trial.key).exists():
            continue
        found = next(_finished(trial, others, tell), None)
        if found is not None:
            other, record = found
            _copy(other.trial(trial.key), folder.trial(trial.key))
            changes = {"study": plan.name, "axes": trial.axes, "adopted_from": other.name}
            ledger.write(record.model_copy(update=changes))
            adopted.append(record)
    return adopted


def _finished(
    trial: Trial, others: list[StudyFolder], tell: Callable[[str], None]
) -> Iterator[tuple[StudyFolder, Record]]:
    for other in others:
        try:
            record = Ledger(other).read(trial.key)
        except MisfitError as error:
            tell(str(error))
            continue
        if record is not None and record.status == "finished":
            yield other, record


def _copy(source: Path, target: Path) -> None:
    """Everything that a trial left beside its record; files that never change are linked."""
    try:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, copy_function=_link_or_copy)
    except OSError as error:
        raise StoreError(
            f"{target}: cannot be written ({error}); free space or choose another --root"
        ) from None


def _link_or_copy(source: str, target: str) -> None:
    # The event file is the one that may still be appended to, by a later attempt.
    if source.endswith(".safetensors"):
        try:
            os.link(source, target)
            return
        except OSError:  # another file system, or one without links
            pass
    shutil.copy2(source, target)
