"""One kind of check."""

from collections.abc import Callable
from dataclasses import dataclass

from reports.audit.claim import Claim, Finding


@dataclass(frozen=True)
class Check:
    """A kind, by the name that stands in the column `test`."""

    name: str
    also: tuple[str, ...]
    """Other names of it."""
    wants: str
    """What inputs and printed look like; said where they do not."""
    function: Callable[[Claim], Finding]
