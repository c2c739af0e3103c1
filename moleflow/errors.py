"""One tree of errors. Each message names the thing at fault and the remedy."""

import difflib
from collections.abc import Iterable
from typing import Any


class MoleflowError(Exception):
    """Something the person at the terminal can mend; shown without a traceback."""


class ConfigError(MoleflowError):
    """A setting is unknown, of the wrong type, or does not fit another one."""


class DataError(MoleflowError):
    """A folder, image or mask is missing, unreadable or inconsistent."""


class WeightsError(MoleflowError):
    """A backbone's weights cannot be had, or lack a stage that the config needs."""


class DeviceError(MoleflowError):
    """A machine lacks the GPU that it was said to have."""


class ModelError(MoleflowError):
    """A saved model is missing, damaged, of another format, or lacks what is asked of it."""


class StudyError(MoleflowError):
    """A study, report or trial is not known, or cannot be run as asked."""


class ClusterError(MoleflowError):
    """The cluster of this machine did not start, or died; the same command may succeed."""

    code = 75
    """The exit code, as in sysexits.h: neither a request that is refused nor trials that failed."""


class StoreError(MoleflowError):
    """The root folder cannot be written, or what it holds is damaged."""


class StoreAwayError(StoreError):
    """A store on another machine cannot be reached just now: another attempt may succeed."""


class FrozenStateError(MoleflowError):
    """A stage changed the bytes of something that must stay frozen. A defect, never expected."""


class SharingError(MoleflowError):
    """A result taken from another trial is not what computing it again gives."""


class DivergedError(MoleflowError):
    """A loss or a score stopped being finite.

    A result, recorded with the numbers at that moment.
    """

    def __init__(self, message: str, numbers: dict[str, Any]):
        super().__init__(message)
        self.numbers = numbers

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.numbers)


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """`; did you mean …?`, or nothing where no known name is like it."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"; did you mean {close[0]}?" if close else ""
