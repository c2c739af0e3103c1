"""A saved view of a study's runs: MLflow's own table shows no parameter until someone asks for it.

MLflow keeps such a view as a tag of the experiment, lists it under "Saved views", and opens it at
an address of its own.
"""

import json
from urllib.request import Request

from moleflow.metrics.catalogue import HEADLINES
from orchestration.cluster.proxies import ask_here
from orchestration.studies.expansion import Plan, varying_axes
from orchestration.tracking.mlflow.batches import TAG_LENGTH
from orchestration.tracking.mlflow.image_names import SECTION, image_key
from orchestration.tracking.mlflow.naming import metric_name, short_axes
from orchestration.tracking.mlflow.owner import OWNER

NAME = "moleflow"
SHARED = "mlflow.sharedViewState"
TAG = f"{SHARED}.{NAME}"
METRICS = tuple(f"{metric.name}/mean" for metric in HEADLINES)
MOST_STUDIES = 12
ANSWER = 20.0
"""Seconds that a server has to tell its studies."""
MOST_COLUMNS = 30
"""Parameters among them; an experiment's tag holds 5000 letters."""


def saved_view(plan: Plan, made: int, guest: str = "") -> tuple[str, str]:
    """The tag and its value: the trials alone, best first, with what varies and the main metrics.

    Args:
        made: when, in ms since 1970; MLflow shows it in its list.
        guest: beginning of the id of an owner who did not begin the experiment: a view of its own
            runs, beside that of all.
    """
    name = f"{NAME}-{guest}" if guest else NAME
    own = f" and tags.`{OWNER}` LIKE '{guest}%'" if guest else ""
    columns = [
        *(_column("params", name) for name in varied(plan)[:MOST_COLUMNS]),
        *(_column("metrics", name) for name in METRICS),
        _column("tags", "moleflow.status"),
        _column("attributes", "Duration"),
    ]
    state = {
        "selectedColumns": columns,
        "searchFilter": f"tags.`moleflow.role` = 'trial'{own}",
        "orderByKey": _column("metrics", METRICS[0]),
        "orderByAsc": False,
    }
    shown = [{**state, **image_charts(plan)}, state]
    values = [
        json.dumps({"name": name, "createdAt": made, "updatedAt": made, "state": json.dumps(one)})
        for one in shown
    ]
    fits = next((value for value in values if len(value) <= TAG_LENGTH), values[-1])
    return f"{SHARED}.{name}", fits


def image_charts(plan: Plan) -> dict[str, list[dict[str, object]]]:
    """A chart for the images of each class, at the last step and without parameters, of which
    MLflow else writes all above each image; it adds charts of all metrics by itself."""
    if not plan.trials:
        return {}
    last = max(len(trial.sequence) for trial in plan.trials)
    classes = sorted({name for trial in plan.trials for name in trial.classes})
    charts: list[dict[str, object]] = [
        {
            "type": "IMAGE",
            "uuid": f"image{number}",
            "deleted": False,
            "isGenerated": True,
            "metricSectionId": SECTION,
            "imageKeys": [image_key(name)],
            "step": last,
            "showRunParams": False,
        }
        for number, name in enumerate(classes)
    ]
    sections: list[dict[str, object]] = [
        {"uuid": name, "name": name, "display": True, "isReordered": False, "isGenerated": True}
        for name in (SECTION, "Model metrics", "System metrics")
    ]
    return {"compareRunCharts": charts, "compareRunSections": sections}


def study_pages(address: str) -> dict[str, str]:
    """Where the view is, of each study that a server of this machine knows, the newest first.

    Raises:
        OSError: the server does not answer.
    """
    request = Request(
        f"{address}/api/2.0/mlflow/experiments/search",
        json.dumps({"max_results": MOST_STUDIES, "filter": f"tags.`{TAG}` != ''"}).encode(),
        {"Content-Type": "application/json"},
    )
    with ask_here(request, ANSWER) as answer:
        found = json.load(answer).get("experiments", [])
    return {
        one["name"]: f"{address}/#/experiments/{one['experiment_id']}/runs?viewStateShareKey={NAME}"
        for one in found
    }


def varied(plan: Plan) -> list[str]:
    """Parameters of runs that differ between trials."""
    short = short_axes({name: None for trial in plan.trials for name in trial.axes})
    found = [short.get(axis, axis) for axis in varying_axes(plan)]
    if len({trial.seed for trial in plan.trials}) > 1:
        found.append("seed")
    return [metric_name(name) for name in found]


def _column(kind: str, name: str) -> str:
    return f"{kind}.`{name}`"
