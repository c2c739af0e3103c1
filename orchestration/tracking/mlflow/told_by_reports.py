"""What a study's reports conclude, on its runs: numbers that charts compare, and verdicts that
runs are found by."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isnan, nan

from orchestration.records.layout import StudyFolder
from orchestration.studies.expansion import Plan
from orchestration.tracking.mlflow.connection import Metric
from orchestration.tracking.mlflow.own_runs import OwnRuns, milliseconds
from orchestration.tracking.mlflow.report_tables import CONTRASTS, KINDS, Finding, findings_in
from orchestration.tracking.mlflow.study_answer import (
    MOST_SETTINGS,
    Setting,
    names_beside,
    names_of_one,
    settings_of,
    steps_so_far,
    title_beside,
)

SECTIONS = tuple(dict.fromkeys(f"{kind.section}/" for kind in KINDS))
TAGS = {"verdict": "moleflow.verdict.", "leader": "moleflow.best."}
"""How the names of tags begin, by the column that they come from."""
MOST_NAMES = 149
"""Of metrics that a run has, with those of the answer."""
Group = dict[str, float]
"""Numbers that are shown together or not at all."""


def findings(plan: Plan, folder: StudyFolder) -> list[Finding]:
    """What the reports of a study say.

    Raises:
        TrackerRefused: a table is none of ours.
    """
    return findings_in(folder, plan.study.reports, list(settings_of(plan)))


def tell(found: Sequence[Finding], plan: Plan, studies: OwnRuns, settings: OwnRuns) -> None:
    """Bring the runs of a study and of its settings up to what its reports say.

    What a run shows already is not sent again.
    """
    named, step = settings_of(plan), steps_so_far(studies[plan.name].tags)
    known = by_settings(found, named)
    own = of_study(known, named)
    _send(studies, plan.name, shown_on_study(known, named), _tags(own), step)
    for setting in settings:
        own = [one for one in known if one.setting == setting]
        numbers = fitting(groups(own), names_of_one())
        _send(settings, setting, numbers, _tags(own), step)


def by_settings(found: Iterable[Finding], settings: Mapping[str, Setting]) -> list[Finding]:
    """Those of these settings or of the whole study, each under its setting's first name; of what
    is said of one under several, as by parts of a union, what is said under the first of them."""
    places = {name: (one.name, i) for one in settings.values() for i, name in enumerate(one.names)}
    known: dict[object, tuple[int, Finding]] = {}
    for one in found:
        setting, place = ("", 0) if one.setting is None else places.get(one.setting, (None, 0))
        if setting is None:
            continue
        what = (one.kind.tables, setting, one.subject)
        if what not in known or place < known[what][0]:
            known[what] = place, replace(one, setting=setting or None)
    return [one for _, one in known.values()]


def shown_on_study(known: Sequence[Finding], settings: Mapping[str, Setting]) -> Group:
    """Numbers on the study's run, as far as it has room for them."""
    every = [*groups(of_study(known, settings)), beside(known, settings)]
    return fitting(every, names_of_one() if len(settings) == 1 else names_beside(settings))


def of_study(known: Sequence[Finding], settings: Mapping[str, Setting]) -> list[Finding]:
    """What is said of the whole study, or of the only setting that it has."""
    return [one for one in known if one.setting is None or len(settings) == 1]


def groups(of: Sequence[Finding]) -> list[Group]:
    """What matters most first."""
    return [
        {
            f"{kind.section}/{one.subject} {column}": one.numbers[column]
            for one in of
            if one.kind is kind
            for column in columns
            if column in one.numbers
        }
        for kind in KINDS
        for columns in kind.numbers
    ]


def beside(known: Sequence[Finding], settings: Mapping[str, Setting]) -> Group:
    """Differences from the baseline as the study's run shows them beside each other."""
    if len(settings) > MOST_SETTINGS:
        return {}
    return {
        f"{CONTRASTS.section}/{one.subject} {title_beside(settings[one.setting])}": number
        for one in known
        if one.kind is CONTRASTS and one.setting is not None
        for number in [one.numbers["difference"]]
    }


def fitting(every: Iterable[Group], taken: int) -> Group:
    """Those groups that there is room for on a run with so many names."""
    found: Group = {}
    for group in every:
        if taken + len(found) + len(group) <= MOST_NAMES:
            found |= group
    return found


def _tags(of: Sequence[Finding]) -> dict[str, str]:
    """A setting's verdict against its baseline has the metric's name alone."""
    tags: dict[str, str] = {}
    for one in of:
        section = "" if one.kind is CONTRASTS else f"{one.kind.section}."
        for column, text in one.words.items():
            tags[f"{TAGS[column]}{section}{one.subject}"] = text
    return tags


def _send(
    runs: OwnRuns, value: str, numbers: Mapping[str, float], tags: Mapping[str, str], step: int
) -> None:
    """What was told and is none any more is not a number from now on."""
    shown = {n: v for n, v in runs[value].metrics.items() if n.startswith(SECTIONS)}
    every = {**dict.fromkeys(shown, nan), **numbers}
    new = {n: v for n, v in every.items() if n not in shown or _differ(v, shown[n])}
    at = milliseconds(time.time())  # of two numbers at one step the later is shown
    runs.add(value, [Metric(name, number, at, step) for name, number in new.items()])
    for tag in runs[value].tags:
        if tag.startswith(tuple(TAGS.values())) and tag not in tags:
            runs.drop(value, tag)
    runs.settle(value, tags)


def _differ(one: float, other: float) -> bool:
    return one != other and not (isnan(one) and isnan(other))
