"""Options that several commands share, and how their text is read."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from moleflow.errors import ConfigError
from orchestration.hiding import HIDDEN, safe_uri
from orchestration.tracking.address import check_uri

TRACKING_URI = "MLFLOW_TRACKING_URI"
"""Variable of the environment, MLflow's own."""

RootOption = Annotated[Path, Parameter(help="Folder that everything is written to.")]
ClassesOption = Annotated[
    tuple[str, ...], Parameter(consume_multiple=True, help="Classes; default: all.")
]
ScenarioHelp = Parameter(
    help="How classes make tasks: 1-1, 10-5, any a-b (a first, then b), or joint."
)
UriOption = Annotated[
    str | None,
    Parameter(
        help="MLflow tracking store; default: MLFLOW_TRACKING_URI, else sqlite in the root folder."
    ),
]
JsonOption = Annotated[
    bool, Parameter(name="--json", negative="", help="For programs: docs/json.md has the fields.")
]
SettingsOption = Annotated[
    tuple[str, ...],
    Parameter(name="--set", consume_multiple=True, help="FIELD=VALUE of any config field."),
]


def tracking_uri(typed: str | None) -> str | None:
    """The tracking store that is named: by the option, else by the environment.

    Raises:
        StudyError: it is none; the message says who named it.
    """
    if typed is not None:
        if HIDDEN in safe_uri(typed):
            warn(
                "--mlflow-uri: all users of this machine can read a command line, and what is "
                f"secret in it; set {TRACKING_URI} instead"
            )
        return check_uri(typed, "--mlflow-uri")
    named = os.environ.get(TRACKING_URI)
    return check_uri(named, TRACKING_URI) if named else None


def warn(text: str) -> None:
    """About a request that is granted."""
    from rich.markup import escape

    from orchestration.commands.consoles import err
    from orchestration.hiding import safe_text

    err.print(f"[yellow]warning:[/] {escape(safe_text(text))}")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def read_settings(pairs: tuple[str, ...]) -> dict[str, Any]:
    """`FIELD=VALUE` with VALUE as JSON where it is that, and as text where not. Of two values of a
    field the last one counts, as scripts add to a common set, and that is said.

    Raises:
        ConfigError: a pair has no `=`.
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        field, separator, text = pair.partition("=")
        if not separator or not field:
            raise ConfigError(f"--set {pair}: write FIELD=VALUE, e.g. --set training.epochs=40")
        value = _value(text)
        if field in settings and settings[field] != value:
            warn(
                f"--set {field}: is given twice, as {settings[field]} and as {value}, which counts"
            )
        settings[field] = value
    return settings
