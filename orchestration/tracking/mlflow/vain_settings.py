"""Runs of settings that changed nothing say so, as their reports do."""

from collections.abc import Sequence

from orchestration.records.ledger import Record
from orchestration.sharing.no_effect import outcome_of, unexpected
from orchestration.studies.expansion import Plan
from orchestration.tracking.mlflow.own_runs import OwnRuns

NO_EFFECT = "moleflow.no_effect"
"""On runs of a setting whose weights or scores equal its baseline's to the bit; on the study's run,
all such settings."""


def tell_vain(plan: Plan, records: Sequence[Record], studies: OwnRuns, trials: OwnRuns) -> None:
    """Tag the runs of settings that changed nothing, and no others."""
    done = {r.key: outcome_of(r) for r in records if r.status == "finished"}
    vain = unexpected(plan, done)
    told = {key: one.sentence for one in vain for key in one.trials}
    for key in trials:
        if key in told:
            trials.settle(key, {NO_EFFECT: told[key]})
        else:
            trials.drop(key, NO_EFFECT)
    every = "; ".join(one.sentence for one in vain)
    if every:
        studies.settle(plan.name, {NO_EFFECT: every})
    else:
        studies.drop(plan.name, NO_EFFECT)
