"""How many trials or seeds something is of, each with the trials that were counted."""

from collections.abc import Iterable

from moleflow.wording import counted
from orchestration.records.ledger import Record
from reports.document import Number, computed
from reports.evidence import keys


def trials(of: Iterable[Record]) -> Number:
    """E.g. `12 trials`."""
    found = keys(of)
    return Number(counted(len(found), "trial"), computed(trials, found))


def seeds(of: Iterable[Record]) -> Number:
    """E.g. `3 seeds`."""
    found = {record.key: record.seed for record in of}
    return Number(counted(len({*found.values()}), "seed"), computed(seeds, found))
