"""Whatever a tracking store does, the study goes on and ends; later the store holds all, once."""

import http.client
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestration.records.layout import Root
from orchestration.studies.expansion import Plan
from orchestration.tracking.address import default_uri
from orchestration.tracking.exporter import Exporter, sync
from orchestration.tracking.mlflow.owner import owner_of
from orchestration.tracking.tracker import quiet_environment
from tests.orchestration.tracking.stores import (
    Server,
    begin_trial,
    contents,
    end_trial,
    free_port,
    no_warning,
    served,
    small_plan,
    write_trial,
)
from tests.processes import wait_for

pytestmark = pytest.mark.slow

TOP = Path(__file__).parents[2]
SLOW = 3.0
"""Seconds that a slow server lets each caller wait."""
CALL = float(quiet_environment()["MLFLOW_HTTP_REQUEST_TIMEOUT"])
"""Seconds that a call may take; the study waits for none. A locked SQLite file takes twice that."""


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root.at(tmp_path / "root")


@pytest.fixture
def plan(root: Root, request: pytest.FixtureRequest) -> Plan:
    """A study of the test's own: all tests share one server."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    return small_plan(root, name)


def tracker(root: Root, uri: str | None = None):
    from orchestration.tracking.mlflow.runs import MlflowTracker

    return MlflowTracker(root, uri)


def exporter(root: Root, plan: Plan, uri: str | None, told: list[str], **times: float) -> Exporter:
    folder = root.study(plan.name)
    return Exporter(plan, folder, tracker(root, uri), told.append, **{"period": 0.2, **times})


def sending() -> list[threading.Thread]:
    """Calls that a study did not wait for."""
    return [thread for thread in threading.enumerate() if thread.name == "tracking"]


def check_all_there(uri: str, plan: Plan) -> None:
    """Every trial has finished in its one run, and no run is left open."""
    held = contents(uri, plan.name)
    assert set(held) == {"study", *(trial.key for trial in plan.trials)}
    assert {run["status"] for run in held.values()} == {"FINISHED"}
    values = [[p for p in held[t.key]["history"] if "seconds" not in p[0]] for t in plan.trials]
    assert [len(history) for history in values] == [5] * len(plan.trials)
    assert all("maps.txt" in held[trial.key]["files"] for trial in plan.trials)


Behaviour = Callable[[str], str]
"""What a server does with a call of that path: `pass`, `slow`, `hang`, `500`, or `lose`: it does
what is asked, and its answer is lost."""


@contextmanager
def proxy(upstream: int, behaviour: Behaviour) -> Iterator[str]:
    leave = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def handle_call(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            what = behaviour(self.path)
            if what == "500":
                self.send_error(500)
            elif what == "hang":
                leave.wait()
            else:
                leave.wait(SLOW if what == "slow" else 0)
                self.forward(body, lose=what == "lose")
            self.close_connection = True

        def forward(self, body: bytes, lose: bool) -> None:
            with closing(http.client.HTTPConnection("127.0.0.1", upstream)) as connection:
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
            if not lose and not leave.is_set():
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *words: object) -> None:
            pass

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_call

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *words: object) -> None:
            """A caller that gave up has closed its end."""

    with Quiet(("127.0.0.1", 0), Handler) as front:
        threading.Thread(target=front.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{front.server_port}"
        leave.set()
        front.shutdown()


def test_a_server_killed_and_restarted_mid_study_misses_nothing_and_slows_nothing(
    root: Root, plan: Plan, server: Server
):
    told: list[str] = []
    following = exporter(root, plan, server.uri, told)
    with following:
        write_trial(root, plan.trials[0])
        begin_trial(root, plan.trials[1])
        wait_for(lambda: following.complete)
        server.kill()
        start = time.monotonic()
        end_trial(root, plan.trials[1])
        write_trial(root, plan.trials[2])
        assert time.monotonic() - start < CALL
        wait_for(lambda: told)
        server.start()
        write_trial(root, plan.trials[3])
    assert following.complete
    assert len(told) == 1 and "away" in told[0]
    check_all_there(server.uri, plan)


@pytest.mark.parametrize("trouble", ["away", "500", "hang", "slow"])
def test_a_study_ends_in_bounded_time_and_sync_brings_all(
    root: Root, plan: Plan, server: Server, trouble: str
):
    told: list[str] = []
    with proxy(server.port, lambda path: trouble) as troubled:
        uri = f"http://127.0.0.1:{free_port()}" if trouble == "away" else troubled
        with exporter(root, plan, uri, told, longest_end=2.0):
            start = time.monotonic()
            for trial in plan.trials:
                write_trial(root, trial)
            assert time.monotonic() - start < CALL
            time.sleep(0.5)
            start = time.monotonic()
        assert time.monotonic() - start < CALL
    assert len(told) <= 2
    command = f"moleflow sync {plan.name} --root {root.path} --mlflow-uri {uri}"
    assert command in told[-1]
    wait_for(lambda: not sending())
    assert sync(plan, root.study(plan.name), tracker(root, server.uri), no_warning)
    check_all_there(server.uri, plan)


def test_a_run_whose_answer_was_lost_is_not_made_twice(root: Root, plan: Plan, server: Server):
    """The experiment, the study's run and each trial's run: every first answer is lost."""
    lost: list[str] = []

    def lose_first(path: str) -> str:
        made = path.endswith(("experiments/create", "runs/create"))
        if made and len(lost) % 2 == 0:
            lost.append(path)
            return "lose"
        lost.extend(["kept"] if made else [])
        return "pass"

    told: list[str] = []
    with (
        proxy(server.port, lose_first) as uri,
        exporter(root, plan, uri, told, period=0.05) as following,
    ):
        for trial in plan.trials:
            write_trial(root, trial)
        wait_for(lambda: following.complete)
    assert following.complete and len(lost) >= 4
    check_all_there(server.uri, plan)


def test_a_run_that_was_made_after_all_is_taken_away_again(root: Root, plan: Plan, server: Server):
    """A call that was given up may still be carried out, after another run was made."""
    from mlflow import MlflowClient

    for trial in plan.trials:
        write_trial(root, trial)
    assert sync(plan, root.study(plan.name), tracker(root, server.uri), no_warning)
    client = MlflowClient(tracking_uri=server.uri)
    found = client.get_experiment_by_name(plan.name)
    assert found is not None
    for tag, value in (("trial", plan.trials[0].key), ("study", plan.name)):
        tags = owner_of(root).tags | {f"moleflow.{tag}": value}
        client.create_run(found.experiment_id, tags=tags)
    assert sync(plan, root.study(plan.name), tracker(root, server.uri), no_warning)
    check_all_there(server.uri, plan)


def test_a_locked_database_holds_up_no_study_and_gets_all_later(root: Root, plan: Plan):
    assert sync(plan, root.study(plan.name), tracker(root), no_warning)
    told: list[str] = []
    with closing(sqlite3.connect(root.mlflow_db, isolation_level=None)) as other:
        other.execute("begin exclusive")
        with exporter(root, plan, None, told, longest_end=1.0):
            for trial in plan.trials:
                write_trial(root, trial)
            start = time.monotonic()
        assert time.monotonic() - start < 2 * CALL
        other.execute("rollback")
    assert "moleflow sync" in told[-1]
    wait_for(lambda: not sending())
    assert sync(plan, root.study(plan.name), tracker(root), no_warning)
    check_all_there(default_uri(root), plan)


DRIVER = """
import sys, time
from orchestration.records.layout import Root
from orchestration.records.plans import plan_of
from orchestration.studies.expansion import Plan
from orchestration.tracking.exporter import Exporter
from orchestration.tracking.mlflow.runs import MlflowTracker
root = Root.at(sys.argv[1])
plan = plan_of(root.study(sys.argv[2]))
with Exporter(plan, root.study(plan.name), MlflowTracker(root, sys.argv[3]), print, 0.1) as it:
    while not it.complete:
        time.sleep(0.05)
    print("sent", flush=True)
    time.sleep(600)
"""


def test_runs_that_a_killed_driver_left_open_are_put_right_by_the_next_command(
    root: Root, plan: Plan, server: Server
):
    for trial in plan.trials[:3]:
        begin_trial(root, trial)
    command = [sys.executable, "-c", DRIVER, str(root.path), plan.name, server.uri]
    driver = subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    assert driver.stdout.readline() == "sent\n"
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    left = contents(server.uri, plan.name)
    assert {run["status"] for run in left.values()} == {"RUNNING"}
    end_trial(root, plan.trials[0])
    fewer = small_plan(root, plan.name, seeds=(0,))  # the second trial is asked for no more
    assert sync(fewer, root.study(plan.name), tracker(root, server.uri), no_warning)
    held = contents(server.uri, plan.name)
    states = [held[trial.key]["status"] for trial in plan.trials[:3]]
    assert (states, held["study"]["status"]) == (["FINISHED", "KILLED", "KILLED"], "KILLED")
    told: list[str] = []
    with exporter(root, small_plan(root, plan.name), server.uri, told):
        for trial in plan.trials[1:3]:
            end_trial(root, trial)
        write_trial(root, plan.trials[3])
    assert told == []
    check_all_there(server.uri, plan)
    ids = {key: run["id"] for key, run in contents(server.uri, plan.name).items()}
    assert {key: ids[key] for key in left} == {key: run["id"] for key, run in left.items()}
