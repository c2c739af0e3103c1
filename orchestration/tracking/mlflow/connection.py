"""How MLflow is reached, and what its errors mean; what others need of it, they take from here."""

# MLflow's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportPrivateImportUsage=false

import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    LoggedModel,
    LoggedModelOutput,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from requests.exceptions import ConnectionError as ConnectionLost
from requests.exceptions import RequestException, RetryError, Timeout
from sqlalchemy.exc import SQLAlchemyError

from orchestration.hiding import safe_uri, without
from orchestration.records.layout import Root
from orchestration.tracking.address import check_uri, is_server, sqlite_uri
from orchestration.tracking.mlflow.database import (
    ask,
    check_can_be_made,
    make_once,
    set_damaged_aside,
    sqlite_file,
)
from orchestration.tracking.tracker import TrackerAway, TrackerRefused, TrackingError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of MLflow's own type hints
    from mlflow.models import Model, ModelSignature, set_model
    from mlflow.pyfunc import PythonModel, add_to_model
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array

__all__ = [
    "Array",
    "ColSpec",
    "DataType",
    "Dataset",
    "DatasetInput",
    "Experiment",
    "InputTag",
    "LoggedModel",
    "LoggedModelOutput",
    "Metric",
    "MlflowClient",
    "Model",
    "ModelSignature",
    "Param",
    "ParamSchema",
    "ParamSpec",
    "PythonModel",
    "Run",
    "RunTag",
    "Schema",
    "add_to_model",
    "bad_request",
    "check_reachable",
    "connected",
    "every_page",
    "set_model",
    "translated",
]

Kind = TypeVar("Kind")

TRY_AGAIN = {408, 425, 429}
"""HTTP statuses below 500 after which the same call may succeed."""
LONGEST_CHECK = 12.0
"""Seconds."""


def check_reachable(uri: str) -> str | None:
    """What is wrong with a tracking store, as a sentence; none if it can be used.

    Answers within 15 seconds. Makes nothing: a SQLite file that is not there yet is not made.
    """
    trouble: list[str] = [f"{safe_uri(uri)}: no answer within {LONGEST_CHECK:.0f} s"]

    def check() -> None:
        try:
            with translated(uri):
                _look_at(uri)
            trouble.clear()
        except TrackingError as error:
            trouble[:] = [str(error)]

    thread = threading.Thread(target=check, name="check of tracking", daemon=True)
    thread.start()
    thread.join(LONGEST_CHECK)
    return trouble[0] if trouble else None


def _look_at(uri: str) -> None:
    check_uri(uri)
    file = None if is_server(uri) else _file(uri)
    if file is not None and not file.exists():
        check_can_be_made(file)
        return
    if not is_server(uri):
        ask(uri)
    if is_server(uri) or file is not None:
        MlflowClient(tracking_uri=uri).search_experiments(max_results=1)


def bad_request(text: str) -> MlflowException:
    """What a served model answers with this text, as HTTP 400."""
    return MlflowException.invalid_parameter_value(text)


def every_page(search: Callable[..., PagedList[Kind]], *asked: object) -> Iterator[Kind]:
    """All that a search finds, however many pages of it there are."""
    page = search(*asked)
    yield from page
    while page.token:
        page = search(*asked, page_token=page.token)
        yield from page


def connected(uri: str, root: Root, tell: Callable[[str], None]) -> MlflowClient:
    """The first connection makes a SQLite file and its tables.

    Args:
        tell: told where the root folder's own was damaged, and is made anew.
    """
    if not is_server(uri):
        file = _file(uri)
        if file is not None:
            if file == root.mlflow_db and file.exists() and (said := set_damaged_aside(file)):
                again = root.command("sync", "STUDY")
                tell(f"{said}: `{again}` brings other studies of this root folder back into it")
            if not file.exists():
                make_once(file, lambda aside: _make_tables(aside, root))
        ask(uri)
    return MlflowClient(tracking_uri=uri)


def _file(uri: str) -> Path | None:
    """Raises:
    TrackerRefused: a folder, or whatever else, lies where a SQLite file should.
    """
    file = sqlite_file(uri)
    if file is not None and file.exists() and not file.is_file():
        raise TrackerRefused(
            f"{safe_uri(uri)}: {file} is no file; move it away, or name another store with "
            "--mlflow-uri"
        )
    return file


def _make_tables(file: Path, root: Root) -> None:
    ask(sqlite_uri(file))
    store = SqlAlchemyStore(sqlite_uri(file), root.mlflow_artifacts.as_uri())
    store.engine.dispose()


@contextmanager
def translated(uri: str) -> Generator[None]:
    """MLflow's errors as those of a tracker."""
    try:
        yield
    except MlflowException as error:
        status = error.get_http_status_code()
        refused = 400 <= status < 500 and status not in TRY_AGAIN
        kind = TrackerRefused if refused else TrackerAway
        raise kind(f"{safe_uri(uri)}: {without(_reason(error), uri)}") from None
    except ImportError as error:
        raise TrackerRefused(f"{safe_uri(uri)}: install the driver ({error})") from None
    except (RequestException, SQLAlchemyError, OSError) as error:
        raise TrackerAway(f"{safe_uri(uri)}: {without(_reason(error), uri)}") from None


def _reason(error: Exception) -> str:
    """One line; MLflow's own on lost connections is long and says it last."""
    cause = error.__context__ if isinstance(error, MlflowException) else error
    if isinstance(cause, Timeout) or "timed out" in str(cause):
        return "no answer in time"
    if isinstance(cause, RetryError):
        return "it answers with errors of its own (HTTP 500 or the like)"
    if isinstance(cause, ConnectionLost):
        return "nothing answers there"
    lines = [line for line in str(error).splitlines() if not line.startswith("(raised as a result")]
    return (lines or [type(error).__name__])[0]
