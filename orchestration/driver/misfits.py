"""Files of the ledger that are not the records of their names: set aside before a study goes on."""

from collections.abc import Callable
from uuid import uuid4

from moleflow.errors import StoreError
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger


def set_misfits_aside(folder: StudyFolder, warn: Callable[[str], None]) -> int:
    """Move every misfit to `misfits/`, saying which and why; its trial then has no record.

    Returns:
        How many there were.

    Raises:
        StoreError: the study's folder cannot be written.
    """
    found = Ledger(folder).misfits()
    for one in found:
        aside = folder.misfits / f"{one.path.name}.{uuid4().hex[:8]}"
        try:
            folder.misfits.mkdir(exist_ok=True)
            one.path.rename(aside)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StoreError(
                f"{aside}: cannot be written ({error.strerror}); mend its permissions"
            ) from None
        warn(
            f"{one.path}: {one.what}; set aside as {aside}, its numbers are not counted. A trial "
            "of the study that it stood for runs again, from what the store holds"
        )
    return len(found)
