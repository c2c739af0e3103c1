"""What a study and its trials are called in a tracking store: names, tags, parameters, metrics."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from moleflow.config import Config
from moleflow.data.sequences import order_name, task_name
from moleflow.profiles import PROFILES
from moleflow.wording import counted
from orchestration.records.ledger import Record, Status
from orchestration.studies.effects import PLACES
from orchestration.studies.expansion import Plan, Trial, order_numbers
from orchestration.studies.named_settings import BASE
from orchestration.studies.trial_keys import digest

LONGEST_PART = 100
"""Bytes of a part of a name: a task of many classes has a long one, and a file's name has 255."""
DIGITS = 8
DIGESTED = re.compile(rf"-[0-9a-f]{{{DIGITS}}}$")
"""How a name ends that was made plain; one that ends so by itself is given a digest too."""
LONGEST_VALUE, LONGEST_NAME, MOST_LISTED = 30, 250, 20
NOTE = "mlflow.note.content"
"""The tag that MLflow's view shows as a description, in Markdown."""
OWN = ("task0", "order", "ordering", "seed")
"""Parameters that a trial has whatever its study varies."""
CUT = "…"
"""Where a long text was cut."""


def run_name(trial: Trial, orders: Mapping[str, str]) -> str:
    """What tells a trial from its neighbours: `bottle O2 s1 lr=0.002`.

    Short, since the table of runs shows a dozen letters. An order without a number is one of an
    earlier plan; the trial's key then tells which.
    """
    first, *others = trial.sequence[0]
    task0 = task_name(trial.sequence[0])
    if len(task0) > LONGEST_VALUE and others:
        task0 = f"{_short(first)}+{len(others)}"
    order = orders.get(order_name(trial.sequence), trial.key[:8])
    short = short_axes(trial.axes)
    varied = [f"{short[axis]}={_short(trial.axes[axis])}" for axis in short]
    return " ".join([_short(task0), order, f"s{trial.seed}", *varied])[:LONGEST_NAME]


def setting_title(axes: Mapping[str, str]) -> str:
    """What tells a setting from its neighbours: `lr=0.002`, or the name of a variant."""
    settings = {axis: value for axis, value in axes.items() if axis not in PLACES}
    short = short_axes(settings)
    values = {short.get(axis, axis): _short(value) for axis, value in settings.items()}
    named = [v if name in ("variant", "part") else f"{name}={v}" for name, v in values.items()]
    return " ".join(named)[:LONGEST_NAME] or BASE


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + CUT


def short_axes(axes: Iterable[str]) -> dict[str, str]:
    """A short name for each axis that is a field of the config: its last part, if that is
    unique."""
    fields = [axis for axis in axes if axis not in OWN]
    counts = Counter(field.rpartition(".")[2] for field in fields) + Counter(OWN)
    parts = {field: field.rpartition(".")[2] for field in fields}
    return {field: part if counts[part] == 1 else field for field, part in parts.items()}


def trial_params(trial: Trial) -> dict[str, str]:
    """Parameters of a run: first what the study varies, by short names; then the resolved
    config."""
    short = short_axes(trial.axes)
    varied = {short.get(axis, axis): value for axis, value in trial.axes.items()}
    tree = {**trial.config.flat(), **varied, "seed": trial.seed}
    text = {name: v if isinstance(v, str) else json.dumps(v) for name, v in tree.items()}
    return {metric_name(name): value for name, value in text.items()}


def study_tags(plan: Plan, answer: str = "") -> dict[str, str]:
    """What a study's run is found by, and its description.

    Args:
        answer: of the reports that it keeps.
    """
    told = f"\n\nLast report:\n\n```\n{answer}\n```" if answer else ""
    return {
        "moleflow.study": plan.name,
        "moleflow.role": "study",
        "moleflow.trials": str(len(plan.trials)),
        NOTE: describe(plan) + told,
        **source_tags(plan),
    }


def count_tags(records: Sequence[Record]) -> dict[str, str]:
    states = [record.status for record in records]
    return {f"moleflow.{status}": str(states.count(status)) for status in get_args(Status)}


def source_tags(plan: Plan) -> dict[str, str]:
    """Where MLflow's view shows that a run comes from."""
    return {"mlflow.source.name": plan.source or plan.name, "mlflow.source.type": "LOCAL"}


def code_tags(record: Record) -> dict[str, str]:
    """Which code ran; where changes to it were not committed, the study's run keeps them."""
    commit, _, changes = record.git.partition("+")
    if record.git == "unknown":
        return {}
    dirty = str(bool(changes)).lower()
    return {"mlflow.source.git.commit": commit, "mlflow.source.git.dirty": dirty}


def setting_tags(name: str) -> dict[str, str]:
    """What a setting's run is found by."""
    return {"moleflow.setting": name, "moleflow.role": "setting"}


def trial_tags(trial: Trial) -> dict[str, str]:
    """What a trial's run is found by."""
    profiles = [name for name, make in PROFILES.items() if make() == trial.config]
    return {
        "moleflow.trial": trial.key,
        "moleflow.role": "trial",
        "moleflow.order": order_name(trial.sequence),
        "moleflow.task0": task_name(trial.sequence[0]),
        "moleflow.seed": str(trial.seed),
        "moleflow.data": digest(trial.fingerprints) if trial.fingerprints else "unknown",
        "moleflow.profile": ", ".join(profiles) or "none",
    }


def record_tags(record: Record) -> dict[str, str]:
    """What a record says of a run's end."""
    of = ", ".join(f"{kind} {number}" for kind, number in record.result_versions.items())
    tags = {"moleflow.status": record.status, "moleflow.git": record.git, "moleflow.versions": of}
    tags |= code_tags(record)
    if record.stopped:
        at = record.stopped
        tags["moleflow.stopped"] = f"after {counted(at.tasks, 'task')}, {at.place}. of {at.among}"
    if record.failure:
        where = f" in {record.failure.stage}" if record.failure.stage else ""
        tags["moleflow.failure"] = f"{record.failure.kind}{where}: {record.failure.message}"
    return tags


def describe(plan: Plan) -> str:
    """The study in Markdown: question, what varies, which orders, settings of its own."""
    trials = plan.trials
    lines = [plan.study.question, "", counted(len(trials), "trial"), ""]
    axes = {axis: None for trial in trials for axis in trial.axes if axis != "order"}
    for axis in axes:
        values = dict.fromkeys(trial.axes[axis] for trial in trials if axis in trial.axes)
        lines.append(f"- **{axis}**: {_listed(values)}")
    lines.append(f"- **seed**: {_listed(dict.fromkeys(str(t.seed) for t in trials))}")
    numbers = order_numbers(plan)
    shown = list(numbers.items())[:MOST_LISTED]
    lines += ["", *(f"- {number}: {order}" for order, number in shown)]
    if len(numbers) > len(shown):
        lines.append(f"- … {counted(len(numbers) - len(shown), 'more order')}")
    defaults, own = Config().flat(), plan.study.base.flat()
    changed = [f"`{n} = {v}`" for n, v in own.items() if n not in axes and v != defaults.get(n)]
    if changed:
        lines += ["", f"Settings other than the defaults: {', '.join(changed)}"]
    return "\n".join(lines)


def _listed(values: Iterable[str]) -> str:
    known = list(values)
    more = len(known) - MOST_LISTED
    return ", ".join(known[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def metric_name(name: str) -> str:
    """A name that MLflow takes, in sections: each part of it as `called` has it."""
    return "/".join(called(part) for part in name.split("/"))


def called(name: str) -> str:
    """A class, a task or anything else as names of metrics, images and tags have it, wherever they
    do: letters of any alphabet, digits and `_ - . : space`. Others become `_`, and a digest keeps
    two such names apart: `a_b-e23984aa`."""
    plain = re.sub(r"[^\w\-.: ]", "_", name).encode()[:LONGEST_PART].decode(errors="ignore")
    if plain == name and not DIGESTED.search(name):
        return plain
    return f"{plain}-{digest(name)[:DIGITS]}"
