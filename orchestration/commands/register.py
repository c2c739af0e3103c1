"""The command line about models for others to use: `moleflow register`."""

import os
import re
import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.markup import escape

from moleflow.errors import StudyError
from orchestration.cluster.proxies import without_proxies_here
from orchestration.commands.consoles import out
from orchestration.commands.options import RootOption, UriOption, tracking_uri
from orchestration.hiding import safe_uri
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.tracking.address import default_uri
from orchestration.tracking.tracker import quiet_environment
from orchestration.views.logs import find_trial

DONE = 0
NAME = re.compile(r"[A-Za-z0-9][\w\-. ]{0,99}", re.ASCII)
ALIAS = re.compile(r"[A-Za-z0-9][\w\-]{0,99}", re.ASCII)
RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)
"""Aliases that MLflow keeps for itself; it says so when the version has been made."""


def register(
    trial: Annotated[str, Parameter(help="A trial's key or its beginning; or STUDY/ and that.")],
    *,
    name: Annotated[str, Parameter(help="Of the registered model; made where there is none.")],
    alias: Annotated[str | None, Parameter(help="Of this version, e.g. champion.")] = None,
    root: RootOption = Path("runs"),
    mlflow_uri: UriOption = None,
) -> int:
    """Register a finished trial's model in MLflow, with its weights, to be loaded and served."""
    if not NAME.fullmatch(name):
        raise StudyError(f"--name {name!r}: use letters, digits, and _ - . in it")
    if alias is not None and not ALIAS.fullmatch(alias):
        raise StudyError(f"--alias {alias!r}: use letters, digits, and _ - in it")
    if alias is not None and RESERVED.fullmatch(alias):
        raise StudyError(
            f"--alias {alias}: MLflow keeps this one for itself; choose another, e.g. champion"
        )
    place, uri = Root.at(root), tracking_uri(mlflow_uri)
    folder, key = find_trial(trial, place)
    record = Ledger(folder).read_brief(key)
    if record is None or record.status != "finished":
        state = "has not ended" if record is None else record.status
        raise StudyError(f"trial {key}: {state}; only a finished trial has a model")
    if not (folder.model(key) / "model.json").is_file():
        raise StudyError(f"{folder.model(key)}: the trial's model is not there")
    os.environ.update(quiet_environment() | without_proxies_here(os.environ))
    from orchestration.tracking.mlflow.runs import MlflowTracker

    version = MlflowTracker(place, uri).register(record, folder, name, alias)
    serve = ["mlflow", "models", "serve", "--env-manager", "local", "-m"]
    called = f"models:/{name}@{alias}" if alias else f"models:/{name}/{version}"
    where = safe_uri(uri or default_uri(place))
    out.print(escape(f"{name} version {version} is trial {key}"), soft_wrap=True)
    out.print(
        escape(
            f"serve     MLFLOW_TRACKING_URI={shlex.quote(where)} {shlex.join([*serve, called])}"
        ),
        soft_wrap=True,
    )
    return DONE
