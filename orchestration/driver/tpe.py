"""Proposals by a tree-structured Parzen estimator. The only file that imports Optuna.

Optuna is asked, and keeps nothing: a proposal is a function of the search's seed, its number, the
proposals before it and what was told of them, all of which is on disk.
"""

# Optuna's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingImports=false

import importlib.util
import math
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, assert_never

from moleflow.errors import StudyError
from moleflow.streams import stream_seed
from orchestration.studies.proposing import Fits, Proposal, Told, at_random, rounded
from orchestration.studies.search import Choice, Distribution, Integer, LogUniform, Search, Uniform

STARTUP = 5
"""Proposals at random before anything is learned."""
TRIES = 20
"""Answers of the estimator that may not fit, or were there before; then one at random is taken."""
WORST = 0.0
"""Of a trial that diverged: metrics are shares."""


def check_installed(search: Search) -> None:
    """Raises:
    StudyError: the search needs Optuna, and it is not there.
    """
    if search.method == "tpe" and importlib.util.find_spec("optuna") is None:
        raise StudyError(
            "method tpe: is made by Optuna, which is not installed; pip install 'moleflow[search]' "
            "(in a checkout: pip install -c constraints.txt -e '.[search]'), or search at random"
        )


def proposed(
    search: Search, number: int, made: Sequence[Proposal], told: Sequence[Told], fits: Fits
) -> Proposal:
    """The proposal of this number.

    Args:
        made: proposals of other numbers.
        told: what is known of them; of one that is missing nothing is.

    Raises:
        StudyError: nothing is left in the space.
    """
    import optuna  # an extra of the package; takes a second

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    spreads = {field: _distribution(spread) for field, spread in search.space.items()}
    known = [dict(one.values) for one in made]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what Optuna calls experimental
        sampler = optuna.samplers.TPESampler(
            seed=stream_seed("search", search.seed, "tpe", number) % 2**32,
            n_startup_trials=0,
            multivariate=True,
            constant_liar=True,
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        by_number = {one.number: one for one in made}
        for one in told:
            study.add_trial(_trial(one, by_number[one.number], search, spreads))
        for _ in range(TRIES):
            asked = study.ask(spreads).params
            values = {field: _value(search.space[field], asked[field]) for field in spreads}
            if values not in known and fits(values):
                return Proposal(
                    number=number,
                    values=values,
                    method="tpe",
                    told=tuple(told),
                    software=f"optuna {version('optuna')}",
                )
    return at_random(search, number, made, fits)


def _trial(told: Told, made: Proposal, search: Search, spreads: Mapping[str, Any]) -> Any:
    """What is known of a proposal, as Optuna takes it."""
    from optuna.trial import TrialState, create_trial

    params = {field: _param(search.space[field], made.values[field]) for field in spreads}
    what: dict[str, Any] = {"params": params, "distributions": dict(spreads)}
    match told.outcome:
        case "finished":
            return create_trial(value=told.value, **what)
        case "diverged":
            return create_trial(value=WORST, **what)
        case "stopped":
            assert told.value is not None
            then = {told.tasks: told.value}
            return create_trial(state=TrialState.PRUNED, intermediate_values=then, **what)
        case "in work":
            return create_trial(state=TrialState.RUNNING, **what)
        case _:
            assert_never(told.outcome)


def _distribution(spread: Distribution) -> Any:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    match spread:
        case Uniform() | LogUniform():
            log = isinstance(spread, LogUniform)
            return FloatDistribution(spread.low, spread.high, log=log)
        case Integer():
            return IntDistribution(spread.low, spread.high)
        case Choice():
            return CategoricalDistribution(tuple(range(len(spread.values))))
        case _:
            assert_never(spread)


def _param(spread: Distribution, value: Any) -> Any:
    return spread.values.index(value) if isinstance(spread, Choice) else value


def _value(spread: Distribution, param: Any) -> Any:
    if isinstance(spread, Choice):
        return spread.values[int(param)]
    if isinstance(spread, Integer):
        return int(param)
    assert math.isfinite(param)
    return rounded(float(param), spread.low, spread.high)
