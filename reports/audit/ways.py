"""Every second way that is known, by the name of what made a number: of lines of tables, and of
numbers in sentences."""

from collections.abc import Callable, Iterable, Mapping

from reports.audit import (
    against,
    base_loss,
    compute,
    contrasts,
    costs,
    crossings,
    facts,
    first_tasks,
    how_many,
    index,
    maps,
    order_effects,
    order_words,
    orders,
    picture_words,
    pictures,
    published,
    rankings,
    routing,
    searches,
    second_way,
    settings,
    similarity,
    variance,
    verdicts,
    words,
)
from reports.audit.records import Records, finished
from reports.audit.second_way import Expected, Line
from reports.audit.words import Allowed, Rule

WAYS: Mapping[str, Callable[[Line], Expected]] = {
    **second_way.WAYS,
    **against.WAYS,
    **first_tasks.WAYS,
    **base_loss.WAYS,
    **compute.WAYS,
    **contrasts.WAYS,
    **costs.WAYS,
    **crossings.WAYS,
    **index.WAYS,
    **published.WAYS,
    **orders.WAYS,
    **pictures.WAYS,
    **rankings.WAYS,
    **order_effects.WAYS,
    **routing.WAYS,
    **searches.WAYS,
    **settings.WAYS,
    **similarity.WAYS,
    **variance.WAYS,
}
RULES: Mapping[str, Rule] = {
    **words.RULES,
    **against.RULES,
    **first_tasks.RULES,
    **base_loss.RULES,
    **contrasts.RULES,
    **costs.RULES,
    **how_many.RULES,
    **index.RULES,
    **crossings.RULES,
    **facts.RULES,
    **maps.RULES,
    **routing.RULES,
    **searches.RULES,
    **settings.RULES,
    **order_words.RULES,
    **pictures.RULES,
    **picture_words.RULES,
    **rankings.RULES,
    **similarity.RULES,
    **verdicts.RULES,
}
OF_UNFINISHED = {"reports.made._failure", "reports.made.end"}


def allowed(function: str, named: Iterable[str], records: Records) -> Allowed | None:
    """What may stand in a sentence's number; None where no second way is known."""
    rule = RULES.get(function)
    if rule is None:
        return None
    keys = set(named)
    trials = [trial for trial in records.trials if trial.key in keys]
    return rule(trials if function in OF_UNFINISHED else finished(trials), records)
