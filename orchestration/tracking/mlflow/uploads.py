"""Files on their way to a run."""

# MLflow's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orchestration.tracking.address import is_server
from orchestration.tracking.mlflow.connection import MlflowClient

AT_ONCE = 8
"""Files on their way to a server."""

Placed = tuple[Path, str | None]
"""A file, and the folder that it has among the run's artifacts."""


def send_files(client: MlflowClient, run_id: str, files: Sequence[Placed]) -> None:
    """A server takes files one by one, and most of the time is spent waiting for it: they go side
    by side. Of one that is away no more is asked than what is on its way."""
    if not is_server(client.tracking_uri):
        for file in files:
            _send(client, run_id, file)
        return
    first, *every = files
    _send(client, run_id, first)  # MLflow asks once where they go
    with ThreadPoolExecutor(AT_ONCE, "tracking") as pool:
        sent = [pool.submit(_send, client, run_id, file) for file in every]
        try:
            for one in sent:
                one.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _send(client: MlflowClient, run_id: str, file: Placed) -> None:
    path, place = file
    client.log_artifact(run_id, str(path), place)
