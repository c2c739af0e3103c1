"""The MLflow UI on a root folder, and whether a store can be used at all."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from moleflow.errors import StudyError
from orchestration.records.layout import Root
from orchestration.tracking.address import default_uri
from orchestration.tracking.exporter import sync
from tests.bait import lay_bait
from tests.orchestration.tracking.stores import answers, free_port, no_warning, small_plan
from tests.processes import below, wait_for

pytestmark = pytest.mark.slow


VIEW = """
import sys
from pathlib import Path
from orchestration.commands.tracking import ui
sys.exit(ui(root=Path(sys.argv[1]), port=int(sys.argv[2])))
"""


def start_view(root: Root, port: int) -> subprocess.Popen[str]:
    """In the root folder, in which someone has left modules."""
    lay_bait(root.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-c", VIEW, str(root.path), str(port)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"BAIT": str(root.path / "executed")},
        cwd=root.path,
    )


@pytest.mark.soak
def test_the_view_answers_and_leaves_no_process_after_sigint_or_sigterm(small_root: Root):
    ports = {number: free_port() for number in (signal.SIGINT, signal.SIGTERM)}
    views = {number: start_view(small_root, port) for number, port in ports.items()}
    started: set[int] = set()
    try:
        for number, view in views.items():
            assert view.stdout is not None
            assert f"http://127.0.0.1:{ports[number]}" in view.stdout.readline()
            assert answers(f"http://127.0.0.1:{ports[number]}")
            started.update(below(view.pid))
            view.send_signal(number)
        assert [view.wait(30) for view in views.values()] == [0, 0]
    finally:
        for view in views.values():
            view.send_signal(signal.SIGINT)
            view.communicate()
    assert started
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
    assert not (small_root.path / "executed").exists()


def test_a_port_that_is_taken_is_said(small_root: Root, capfd):
    from orchestration.commands.tracking import ui

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StudyError, match=f"--port {port}"):
            ui(root=small_root.path, port=port)


def test_a_root_folder_without_runs_has_no_view(tmp_path: Path):
    from orchestration.commands.tracking import ui

    with pytest.raises(StudyError, match="--root"):
        ui(root=tmp_path)


def test_the_view_of_a_server_is_its_address(tmp_path: Path, capsys):
    from orchestration.commands.tracking import ui

    assert ui(root=tmp_path, mlflow_uri="http://host:5000") == 0
    assert "http://host:5000" in capsys.readouterr().out


@pytest.fixture(scope="module")
def small_root(tmp_path_factory) -> Root:
    from orchestration.tracking.mlflow.runs import MlflowTracker

    root = Root.at(tmp_path_factory.mktemp("root"))
    plan = small_plan(root)
    assert sync(plan, root.study("small"), MlflowTracker(root), no_warning)
    return root


@contextmanager
def listener(answer: bytes | None) -> Iterator[str]:
    """A server that says the same to everyone, or accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = server.accept()
                    stack.callback(caller.close)
                    if answer is not None:
                        caller.recv(65536)
                        caller.sendall(answer)
                        caller.close()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


NO_MLFLOW = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"


def test_stores_that_can_be_used_have_nothing_wrong(small_root: Root, tmp_path: Path):
    from orchestration.tracking.mlflow.connection import check_reachable

    assert check_reachable(default_uri(small_root)) is None
    assert check_reachable(default_uri(Root.at(tmp_path / "new"))) is None
    assert list(tmp_path.iterdir()) == []


def test_stores_that_cannot_be_used_are_told_why(tmp_path: Path):
    from orchestration.tracking.mlflow.connection import check_reachable

    (tmp_path / "mlflow.db").write_text("no database")
    assert "not a database" in str(check_reachable(default_uri(Root.at(tmp_path))))
    assert "nothing answers" in str(check_reachable(f"http://127.0.0.1:{free_port()}"))
    with listener(NO_MLFLOW) as uri:
        assert "404" in str(check_reachable(uri))
    uri = f"postgresql+psycopg2://ada:secret@127.0.0.1:{free_port()}/runs"
    trouble = str(check_reachable(uri))
    assert trouble and "secret" not in trouble


def test_a_store_that_never_answers_is_told_in_time(monkeypatch: pytest.MonkeyPatch):
    from orchestration.tracking.mlflow import connection

    assert connection.LONGEST_CHECK < 15
    monkeypatch.setattr(connection, "LONGEST_CHECK", 0.5)
    start = time.monotonic()
    with listener(None) as uri:
        assert "no answer" in str(connection.check_reachable(uri))
    assert time.monotonic() - start < 5
