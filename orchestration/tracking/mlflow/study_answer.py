"""What the trials of a study say together, while it runs: counts, and of each setting the means of
its headline metrics over seeds and over orders, by the functions that reports use."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, fsum, nan
from typing import get_args

from moleflow.metrics.catalogue import HEADLINES
from moleflow.metrics.summaries import Observation, Summary, order_means, seed_means, summarise
from orchestration.records.ledger import Record, Status
from orchestration.studies.effects import setting_name
from orchestration.studies.expansion import Plan
from orchestration.studies.named_settings import BASE, named_settings, one_setting_each, trials_of
from orchestration.studies.trial_keys import digest
from orchestration.tracking.mlflow.naming import CUT, DIGITS, called, setting_title

ANSWERED = "moleflow.answered"
"""On the study's run: of which trials it has the answer."""
MOST_SETTINGS = 30
"""Whose means the study's run shows side by side; of more, each setting's run has its own."""
MOST_POINTS = 20
"""That are sent of what ended since the last one: enough for a curve."""
HOUR = 3600.0
OF_ORDERS = ("mean", "n", "sd")
"""No interval: orders that share task 0 may be copies of one result to the bit, and the study may
have all orders that there are, not a sample of them."""
OF_SEEDS = (*OF_ORDERS, "interval_low", "interval_high")
EVERY = tuple(
    f"{of}{number}"
    for metric in HEADLINES
    for of, numbers in ((f"{metric.name}/", OF_SEEDS), (f"over_orders/{metric.name} ", OF_ORDERS))
    for number in numbers
)
"""Numbers that a setting may have."""

COUNTS = len(get_args(Status)) + 3
"""Of trials: by their ends, planned, derived, and hours."""

Numbers = dict[str, float]
"""By the names that runs have them by."""


@dataclass(frozen=True)
class Setting:
    """Trials that differ in order and seed alone."""

    name: str
    """As reports call it: the first of its names."""
    axes: dict[str, str]
    trials: frozenset[str]
    """Keys."""
    names: tuple[str, ...]
    """All that the study has for it, the first of them `name`."""


@dataclass(frozen=True)
class Point:
    """What was known when so many trials had ended."""

    step: int
    """Trials that had ended; larger where some of them were taken back later, as a curve only goes
    on."""
    time: float
    study: Numbers
    settings: dict[str, tuple[int, Numbers]]
    """Of those that had changed, by name: step and numbers."""


def setting_called(axes: Mapping[str, str]) -> str:
    """The name of the setting that a trial is of, under these axes."""
    return setting_name(axes) or BASE


def settings_of(plan: Plan) -> dict[str, Setting]:
    """Each under the first of its names, as reports have them."""
    found: dict[str, Setting] = {}
    for of in one_setting_each(named_settings(plan)):
        names = tuple(setting_called(one.axes) for one in of)
        found[names[0]] = Setting(names[0], dict(of[0].axes), frozenset(trials_of(of)), names)
    return found


def by_any_name(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """The same by each of their names."""
    return {name: setting for setting in settings.values() for name in setting.names}


def have_runs(plan: Plan) -> bool:
    """Whether settings have runs of their own: several, and of several trials each."""
    settings = settings_of(plan)
    several = len(settings) + plan.to_propose > 1
    return several and len(plan.trials) >= 2 * len(settings) > 0


def points(plan: Plan, records: Sequence[Record], answered: str) -> tuple[list[Point], str]:
    """What is to be sent now, and how to say that it was.

    Args:
        records: of the plan's trials.
        answered: what was said when something was sent last; empty: nothing was.
    """
    ended = sorted(records, key=lambda record: (record.ended, record.key))
    step, count, of = _parsed(answered)
    if of == _digest(ended):
        return [], answered
    goes_on = of == _digest(ended[:count]) and count <= len(ended)
    begin = count if goes_on else 0
    ahead = step - count if goes_on else max(0, step + 1 - len(ended))
    counts = [len(ended)]
    if goes_on:  # nothing has been taken back
        parts = range(1, MOST_POINTS + 1)
        counts = sorted({begin + ceil(i * (len(ended) - begin) / MOST_POINTS) for i in parts})
    settings, found, before = settings_of(plan), list[Point](), begin
    for n in counts:
        said = ended[:before] if goes_on else None
        found.append(_point(plan, settings, ended[:n], said, ahead))
        before = n
    return found, f"{ahead + len(ended)} {len(ended)} {_digest(ended)}"


def steps_so_far(tags: Mapping[str, str]) -> int:
    """Of the answer that a study's run has, by its tags."""
    return _parsed(tags.get(ANSWERED, ""))[0]


def _parsed(answered: str) -> tuple[int, int, str]:
    if not answered:
        return 0, 0, _digest(())
    step, count, of = answered.split()
    return int(step), int(count), of


def _digest(ended: Sequence[Record]) -> str:
    return digest([[record.key, record.ended, record.status] for record in ended])


def _point(
    plan: Plan,
    settings: dict[str, Setting],
    ended: Sequence[Record],
    said: Sequence[Record] | None,
    ahead: int,
) -> Point:
    """Args:
    said: those of which the point before was made; None: others than these.
    """
    new = {record.key for record in ended[len(said or ()) :]}
    several, changed = len(settings) > 1, dict[str, tuple[int, Numbers]]()
    study = _counts(ended, len(plan.trials))
    beside = len(settings) <= MOST_SETTINGS
    for name, setting in settings.items():
        own = [record for record in ended if record.key in setting.trials]
        if not several:
            study |= _spread_after(own, said)
        elif new & setting.trials or said is None:
            before = None if said is None else [r for r in said if r.key in setting.trials]
            numbers = _counts(own, len(setting.trials)) | _spread_after(own, before)
            changed[name] = (len(own) + ahead, numbers)
            study |= _beside(setting, numbers) if beside else {}
    time = max((record.ended for record in ended), default=0.0)
    return Point(len(ended) + ahead, time, study, changed)


def _counts(ended: Sequence[Record], planned: int) -> Numbers:
    states = Counter(record.status for record in ended)
    derived = sum(record.role == "derived" for record in ended)
    hours = fsum(record.working_seconds for record in ended) / HOUR
    every = {f"trials/{status}": float(states[status]) for status in get_args(Status)}
    return {**every, "trials/planned": planned, "trials/derived": derived, "trials/hours": hours}


def names_of_one() -> int:
    """Most names that a run has which answers for one setting."""
    return COUNTS + len(EVERY)


def names_beside(settings: Collection[str]) -> int:
    """Names that the run of a study has which shows settings beside each other."""
    return COUNTS + (len(settings) * len(HEADLINES) if len(settings) <= MOST_SETTINGS else 0)


def _spread_after(records: Sequence[Record], said: Sequence[Record] | None) -> Numbers:
    """What was said and is no number any more, as where an order has come that one seed alone has,
    is not a number from now on; else a run would go on showing the old one."""
    names = EVERY if said is None else _spread(said)
    return dict.fromkeys(names, nan) | _spread(records)


def _spread(records: Sequence[Record]) -> Numbers:
    """Of each headline metric, at the end of the sequences that finished."""
    numbers: Numbers = {}
    for metric in HEADLINES:
        found = _observations(records, metric.name)
        numbers |= _named(f"{metric.name}/", summarise(seed_means(found)), OF_SEEDS)
        if len({one.order for one in found}) > 1:
            over_orders = summarise(order_means(found))
            numbers |= _named(f"over_orders/{metric.name} ", over_orders, OF_ORDERS)
    return numbers


def title_beside(setting: Setting) -> str:
    """What a setting is called in names of metrics, beside other settings: two whose long values
    begin alike are told apart by a digest."""
    title = setting_title(setting.axes).replace("=", " ")
    return called(title.replace(CUT, f" {digest(setting.name)[:DIGITS]}"))


def _beside(setting: Setting, numbers: Numbers) -> Numbers:
    """A setting's means as the study's run shows them, each beside those of other settings."""
    title = title_beside(setting)
    means = {metric.name: numbers.get(f"{metric.name}/mean") for metric in HEADLINES}
    return {f"{name}/{title}": value for name, value in means.items() if value is not None}


def _named(of: str, summary: Summary | None, wanted: Sequence[str]) -> Numbers:
    """Those of the wanted numbers that there are."""
    if summary is None:
        return {}
    low, high = summary.interval or (None, None)
    known = {"mean": summary.mean, "n": float(summary.n), "sd": summary.sd}
    known |= {"interval_low": low, "interval_high": high}
    found = {f"{of}{name}": known[name] for name in wanted}
    return {name: value for name, value in found.items() if value is not None}


def _observations(records: Sequence[Record], metric: str) -> list[Observation]:
    return [
        Observation(record.task0, record.order, record.seed, row.value)
        for record in records
        if record.status == "finished"
        for row in record.rows
        if (row.metric, row.definition, row.routing) == (metric, "final_mean", "routed")
    ]
