"""All trials of a plan, for other programs: `moleflow plan STUDY --format yaml|csv`."""

import csv
import io
from typing import Any, Literal

import yaml

from orchestration.commands.consoles import out
from orchestration.driver.expected import Expected
from orchestration.plain import cells
from orchestration.studies.expansion import Plan, Trial

Format = Literal["yaml", "csv"]
TRIALS = "moleflow.trials/1"


def write_trials(told: Expected, as_format: Format) -> None:
    """Print every trial of the plan, in the order in which they run."""
    plan = told.plan.model_copy(update={"trials": told.estimate.left.keys.trials})
    text = yaml_of(plan) if as_format == "yaml" else csv_of(plan)
    out.print(text, markup=False, soft_wrap=True, end="")


def yaml_of(plan: Plan) -> str:
    """The base config of the study, and of every trial what differs from it."""
    base = plan.study.base.flat()
    tree = {
        "format": TRIALS,
        "study": plan.name,
        "question": plan.study.question,
        "base": base,
        "trials": [_tree(trial, base) for trial in plan.trials],
    }
    return yaml.safe_dump(tree, sort_keys=False, width=100)


def csv_of(plan: Plan) -> str:
    """A line each: key, seed, tasks, and every axis."""
    names = list(dict.fromkeys(name for trial in plan.trials for name in trial.axes))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(cells(dict.fromkeys(("trial", "seed", "tasks", *names), "")))
    for trial in plan.trials:
        line: dict[str, Any] = {
            "trial": trial.key,
            "seed": trial.seed,
            "tasks": len(trial.sequence),
        }
        writer.writerow(cells(line | {name: trial.axes.get(name, "") for name in names}).values())
    return file.getvalue()


def _tree(trial: Trial, base: dict[str, Any]) -> dict[str, Any]:
    changes = {
        name: value for name, value in trial.config.flat().items() if base.get(name) != value
    }
    return {
        "trial": trial.key,
        "seed": trial.seed,
        "sequence": [list(task) for task in trial.sequence],
        "axes": dict(trial.axes),
        "also": [dict(axes) for axes in trial.also],
        "changes": changes,
    }
