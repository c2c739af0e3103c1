"""One name is one study of a root folder; what an earlier command of it left is not forgotten."""

from contextlib import suppress
from pathlib import Path

from moleflow.errors import MoleflowError, StudyError
from moleflow.wording import counted
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, MisfitError
from orchestration.records.plans import plan_of
from orchestration.studies.catalog import known_studies
from orchestration.studies.expansion import Plan
from orchestration.studies.versions import result_versions


def check_source(folder: StudyFolder, source: str, packaged: str = "", question: str = "") -> None:
    """One name is one study: another one's would mix its trials with those that are there.

    Args:
        source: the study's file; empty for one that comes with the package, or from Python.
        packaged: the study of the package that it is.
        question: what it asks; tells studies apart of which one is not known to be the package's.

    Raises:
        StudyError: the folder is that of another study; of another file, which is still there.
    """
    try:
        before = plan_of(folder)
    except MoleflowError:  # none yet, or damaged: it is written anew
        return
    if source or before.source:
        other = _another_file(folder, before, source)
    else:
        other = _another_study(folder, before, packaged, question)
    if other:
        earlier = _called(folder, before.source, before.packaged, before.study.question)
        remedy = "give the file another name" if source else "give it another --name"
        raise StudyError(
            f"study {folder.name} of this root folder is {earlier}, and this is "
            f"{_called(folder, source, packaged, question)}; {remedy}, or choose another --root"
        )


def _another_file(folder: StudyFolder, before: Plan, source: str) -> bool:
    if not before.source:
        return bool(before.packaged) or folder.name in known_studies()
    there = Path(before.source).is_file()
    return there and before.source != source and not (source and _same(before.source, source))


def _another_study(folder: StudyFolder, before: Plan, packaged: str, question: str) -> bool:
    """Plans of older versions do not say which study of the package they are of."""
    earlier = before.packaged or (folder.name if folder.name in known_studies() else "")
    if earlier and packaged:
        return earlier != packaged
    return bool(before.packaged or packaged) and before.study.question != question


def _called(folder: StudyFolder, source: str, packaged: str, question: str) -> str:
    if source:
        return source
    if folder.name in known_studies():
        return "the one of the package"
    return f"{packaged} of the package" if packaged else f"one that asks: {question}"


def _same(one: str, other: str) -> bool:
    with suppress(OSError):
        return Path(one).samefile(other)
    return False


def no_longer_asked(plan: Plan, folder: StudyFolder) -> str:
    """A sentence on trials on record that the plan does not ask for; empty where there are none.
    Those that other versions measured are told by what runs them again."""
    ledger, left = Ledger(folder), 0
    for key in set(ledger.keys()) - {trial.key for trial in plan.trials}:
        try:
            record = ledger.read_brief(key)
        except MisfitError:  # told by what sets it aside
            continue
        if record is not None:
            left += record.result_versions == result_versions(record.config)
    if not left:
        return ""
    verb, it = ("is", "its record is") if left == 1 else ("are", "their records are")
    return (
        f"{counted(left, 'trial')} on record {verb} not in this plan: {it} kept, and the report is "
        "of this plan alone; with another --name both stay"
    )
