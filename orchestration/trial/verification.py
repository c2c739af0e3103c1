"""`--verify-sharing`: stages taken from the store are computed again, by lot, and compared."""

from moleflow.errors import SharingError
from moleflow.streams import numpy_stream
from orchestration.studies.expansion import Trial


def drawn(trial: Trial, key: str, share: float) -> bool:
    """Whether the lot falls on this stage; the same in every attempt."""
    return bool(numpy_stream("verify", trial.key, key).random() < share)


def differs(kind: str, name: str, key: str) -> SharingError:
    return SharingError(
        f"{kind} of {name}: the store's result {key} was computed again and came out different; "
        "sharing is not exact on these machines: use --no-sharing, and find out which machine "
        "differs (the record of each trial says where its stages were made)"
    )
