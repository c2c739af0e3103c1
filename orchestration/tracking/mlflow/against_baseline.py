"""What a study's reports say of its settings against their baseline: numbers that charts compare,
and verdicts that runs are found by."""

import csv
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path

from moleflow.metrics.catalogue import HEADLINES
from orchestration.plain import uncelled
from orchestration.records.layout import StudyFolder
from orchestration.studies.expansion import Plan
from orchestration.tracking.mlflow.connection import Metric
from orchestration.tracking.mlflow.naming import BASE, metric_name
from orchestration.tracking.mlflow.own_runs import OwnRuns, milliseconds
from orchestration.tracking.mlflow.study_answer import (
    MOST_SETTINGS,
    Setting,
    settings_of,
    steps_so_far,
    title_beside,
)
from orchestration.tracking.tracker import TrackerRefused

SECTION = "against_baseline/"
NUMBERS = ("difference", "interval_low", "interval_high", "p_holm", "seeds")
"""As the tables of reports have them."""
VERDICT = "moleflow.verdict."
"""On a setting's run, by metric."""
MOST_NAMES = 130
"""Of means and differences on the study's run; counts stand beside them."""


@dataclass(frozen=True)
class Contrast:
    """A setting against its baseline, by one metric."""

    setting: str
    metric: str
    verdict: str
    numbers: Mapping[str, float]
    """Those that it has, by the names of `NUMBERS`."""


def contrasts_in(folder: StudyFolder, kinds: Sequence[str]) -> list[Contrast]:
    """What the reports of these kinds say, the first of which stands above the others.

    Raises:
        TrackerRefused: a table is none of ours.
    """
    found: dict[tuple[str, str], Contrast] = {}
    for place in (folder.report, *(folder.report / kind for kind in kinds[1:])):
        for path in sorted((place / "tables").glob("contrasts-*.csv")):
            try:
                found |= {(one.setting, one.metric): one for one in _read(path)}
            except (KeyError, ValueError, csv.Error) as error:
                raise TrackerRefused(
                    f"{path}: no table of a report ({type(error).__name__}: {error}); write it "
                    f"anew with: moleflow report {folder.name}"
                ) from None
    return list(found.values())


def _read(path: Path) -> Iterator[Contrast]:
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if line["verdict"]:  # else no pair of trials has finished
                numbers = {name: float(line[name]) for name in NUMBERS if line[name]}
                setting = uncelled(line["setting"]) or BASE
                yield Contrast(setting, line["metric"], line["verdict"], numbers)


def tell(contrasts: Sequence[Contrast], plan: Plan, studies: OwnRuns, settings: OwnRuns) -> None:
    """Bring the runs of a study and of its settings up to what its reports say.

    What a run shows already is not sent again.
    """
    named, step = settings_of(plan), steps_so_far(studies[plan.name].tags)
    known = [one for one in contrasts if one.setting in named]
    _send(studies, plan.name, beside(known, named), step)
    for setting in settings:
        own = [one for one in known if one.setting == setting]
        numbers = {f"{SECTION}{c.metric} {n}": v for c in own for n, v in c.numbers.items()}
        _send(settings, setting, numbers, step)
        tags = {f"{VERDICT}{one.metric}": one.verdict for one in own}
        for tag in settings[setting].tags:
            if tag.startswith(VERDICT) and tag not in tags:
                settings.drop(setting, tag)
        settings.settle(setting, tags)


def beside(contrasts: Sequence[Contrast], settings: Mapping[str, Setting]) -> dict[str, float]:
    """Differences as the study's run shows them, where it has room for them beside the means."""
    names = len(settings) * len(HEADLINES) + len(contrasts)
    if len(settings) > MOST_SETTINGS or names > MOST_NAMES:
        return {}
    return {
        f"{SECTION}{one.metric} {title_beside(settings[one.setting])}": one.numbers["difference"]
        for one in contrasts
    }


def _send(runs: OwnRuns, value: str, numbers: Mapping[str, float], step: int) -> None:
    """What was told and is none any more is not a number from now on."""
    shown = {n: v for n, v in runs[value].metrics.items() if n.startswith(SECTION)}
    every = dict.fromkeys(shown, nan) | {metric_name(n): v for n, v in numbers.items()}
    new = {n: v for n, v in every.items() if n not in shown or _differ(v, shown[n])}
    at = milliseconds(time.time())  # of two numbers at one step the later is shown
    runs.add(value, [Metric(name, number, at, step) for name, number in new.items()])


def _differ(one: float, other: float) -> bool:
    return one != other and not (isnan(one) and isnan(other))
