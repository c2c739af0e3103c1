"""How many trials and seeds something is of, counted in the plain ledger."""

from collections.abc import Mapping, Sequence

from moleflow.wording import counted
from reports.audit.records import Records, Trial
from reports.audit.words import Allowed, Rule


def trials(named: Sequence[Trial], records: Records) -> Allowed:
    """Of those that are named, that finished."""
    return Allowed(frozenset({counted(len(named), "trial")}))


def seeds(named: Sequence[Trial], records: Records) -> Allowed:
    """Of those trials."""
    return Allowed(frozenset({counted(len({trial.seed for trial in named}), "seed")}))


RULES: Mapping[str, Rule] = {
    "reports.how_many.trials": trials,
    "reports.how_many.seeds": seeds,
}
