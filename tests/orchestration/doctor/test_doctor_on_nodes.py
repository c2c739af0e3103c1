"""A cluster is looked at before it is used; the page on clusters does what it says."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from moleflow.data.synthetic import make_synthetic
from orchestration.doctor import machine
from tests.processes import marked, wait_for

TOP = Path(__file__).resolve().parents[3]
PAGE = TOP / "docs" / "cluster.md"
BIN = Path(sys.executable).parent
TINY = (
    "--classes washer wood --set image.size=64 backbone.name=resnet18 backbone.weights=random "
    "patches.dim=16 patches.grid=last flow.blocks=2 flow.context_kernel=3 lora.rank=2 "
    "training.epochs=1 training.warmup_epochs=0 training.batch_size=4 scoring.smoothing=1.0"
)
"""What the page's study is made of here."""


def blocks() -> dict[str, str]:
    """The page's commands by their marks."""
    found = re.findall(r"<!-- (.*?) -->\n```\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return dict(found)


@pytest.mark.slow
def test_a_changed_file_of_equal_size_changes_the_appearance_if_it_is_among_those_read(
    data: Path, tmp_path: Path
):
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    before, content = machine.appearance(str(copy)), machine.fingerprints(str(copy))
    assert before == machine.appearance(str(data))
    for picture in (copy / "wood").rglob("*.png"):
        changed = bytearray(picture.read_bytes())
        changed[-1] ^= 1
        picture.write_bytes(changed)
    after = machine.appearance(str(copy))
    assert {name for name in before if before[name] != after[name]} == {"wood"}
    later = machine.fingerprints(str(copy))
    assert {name for name in content if content[name] != later[name]} == {"wood"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_synthetic(tmp_path_factory.mktemp("pool") / "data")


@dataclass(frozen=True)
class Cluster:
    """Two Ray nodes, started by the page's commands; the second does not see `hidden`."""

    shared: Path
    hidden: Path
    address: str
    environment: Mapping[str, str]
    blindfold: tuple[str, ...]
    """Starts a command that does not see `hidden`; empty where that is not allowed."""

    def require_blindness(self) -> None:
        if not self.blindfold:
            pytest.skip("this system lets no process have a mount of its own (unshare -rm)")

    def run(self, command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        text = command.replace("/shared", str(self.shared)).replace("10.0.0.1:6379", self.address)
        text = text.replace("--profile quick", f"--profile quick {TINY}")
        text = text.replace("--seeds 2", "--seeds 1")
        environment = {**self.environment, **changes}
        words = shlex.split(text.replace("\\\n", " "))
        return subprocess.run(words, capture_output=True, text=True, env=environment, timeout=240)


@pytest.fixture(scope="module")
def nodes(data: Path) -> Iterator[Cluster]:
    mark, scratch = uuid.uuid4().hex, tempfile.mkdtemp(prefix="mf-", dir="/tmp")
    hidden = data.parent / "hidden"
    hidden.mkdir()
    shutil.copytree(data, hidden / "data")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": mark,
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",  # a session of the tests itself has one node
        "COLUMNS": "300",
    }
    there = Cluster(data.parent, hidden, f"127.0.0.1:{port}", environment, blindfold(hidden))
    local = f"--block --num-cpus=2 --temp-dir={scratch} --node-ip-address=127.0.0.1"
    head = blocks()["tried: head"].replace("--block", f"{local} --include-dashboard=false")
    worker = blocks()["tried: worker"].replace("--block", local)
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> None:
        quiet = subprocess.DEVNULL
        started.append(subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet))

    try:
        start(*shlex.split(head.replace("6379", str(port))))
        wait_for(lambda: answers(port), 60)
        start(*there.blindfold, *shlex.split(worker.replace("10.0.0.1:6379", there.address)))
        yield there
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(30)
        for process in marked(mark):
            os.kill(process, signal.SIGKILL)
        shutil.rmtree(scratch)


def blindfold(hidden: Path) -> tuple[str, ...]:
    mount = 'mount -t tmpfs x "$0" && exec "$@"'
    command = ("unshare", "-rm", "sh", "-c", mount, str(hidden))
    allowed = shutil.which("unshare") and not subprocess.run([*command, "true"]).returncode
    return command if allowed else ()


EXAMINE = """
import json, os, sys, time
from dataclasses import asdict
from pathlib import Path
from moleflow.errors import StudyError
from orchestration.doctor.cluster import check_nodes, examine_places
from orchestration.records.layout import Root
from orchestration.doctor.machine import fingerprints, look
from orchestration.cluster.nodes import joined, on_every_node, wait_for_nodes

def told(call, *arguments):
    try:
        call(*arguments)
    except StudyError as error:
        return str(error)

shared, hidden, address = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
pipe = shared / "pipe"
pipe.mkdir()
os.mkfifo(pipe / "driver")
with joined(address):
    wait_for_nodes(2, 60)
    begun = time.monotonic()
    said = {"sound": told(check_nodes, shared / "runs", shared / "data")}
    said["seconds"] = time.monotonic() - begun
    said["root"] = told(check_nodes, hidden / "runs", shared / "data")
    said["data"] = told(check_nodes, shared / "runs", hidden / "data")
    found = examine_places(Root(hidden / "runs"), hidden / "data", str(hidden / "store"))
    said["places"] = [asdict(one) for one in found]
    found = examine_places(
        Root(shared / "new"), shared / "data", f"local://{hidden}/far", fingerprints
    )
    said["far"] = [asdict(one) for one in found]
    silent = on_every_node(look, str(pipe), "", "", patience=1.0)
    said["silent"] = [answer.error for answer in silent.values()]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(nodes: Cluster) -> dict[str, Any]:
    """What the examinations of this cluster say."""
    (nodes.shared / "runs").mkdir(exist_ok=True)
    (nodes.hidden / "far").mkdir()
    words = ["-c", EXAMINE, str(nodes.shared), str(nodes.hidden), nodes.address]
    ran = nodes.run(shlex.join([sys.executable, *words]))
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.soak
@pytest.mark.cluster
def test_nodes_that_see_all_are_accepted_in_seconds(said: Mapping[str, Any]):
    assert said["sound"] is None
    assert said["seconds"] < 30


@pytest.mark.soak
@pytest.mark.cluster
@pytest.mark.parametrize("what", ["root", "data"])
def test_a_study_is_refused_where_a_node_does_not_see_its_folders(
    said: Mapping[str, Any], nodes: Cluster, what: str
):
    nodes.require_blindness()
    start = {"root": f"--root {nodes.hidden}/runs", "data": f"--data {nodes.hidden}/data"}[what]
    assert said[what].startswith(f"{start}: 1 of 2 nodes: ")
    assert "under the same path" in said[what]


@pytest.mark.soak
@pytest.mark.cluster
def test_the_doctor_names_what_a_node_does_not_see(said: Mapping[str, Any], nodes: Cluster):
    nodes.require_blindness()
    assert [one["state"] for one in said["places"]] == ["problem"] * 3
    assert [one["name"] for one in said["places"]] == [
        "root on nodes",
        "data on nodes",
        "store on nodes",
    ]
    assert all("1 of 2 nodes" in one["found"] and one["remedy"] for one in said["places"])
    assert [one["state"] for one in said["far"]] == ["ok", "ok", "problem"]
    assert "what the driver wrote is not there" in said["far"][2]["found"]


@pytest.mark.soak
@pytest.mark.cluster
def test_looking_leaves_nothing(said: Mapping[str, Any], nodes: Cluster):
    left = {path.name for path in (nodes.hidden, *nodes.hidden.rglob("*")) if path.is_file()}
    assert left == {path.name for path in (nodes.shared / "data").rglob("*") if path.is_file()}
    assert list((nodes.shared / "runs").iterdir()) == []
    assert not (nodes.shared / "new").exists()


@pytest.mark.soak
@pytest.mark.cluster
def test_a_node_that_hangs_is_told_and_not_waited_for(said: Mapping[str, Any]):
    assert said["silent"] == ["no answer within 1 s"] * 2


JOIN = """
import sys, ray
ray.__version__ = sys.argv[2] or ray.__version__
from moleflow.errors import StudyError
from orchestration.cluster.nodes import joined
try:
    with joined(sys.argv[1]):
        print("joined")
except StudyError as error:
    print(error)
"""


@pytest.mark.soak
@pytest.mark.cluster
@pytest.mark.parametrize(
    ("version", "changes", "message"),
    [
        ("2.41.0", {}, r"the cluster runs Ray 2\.\S+ on Python 3\S+ and this is Ray 2\.41\.0 "),
        ("", {"RAY_AUTH_TOKEN": "another"}, r"those who know its token; run .*RAY_AUTH_MODE=token"),
    ],
)
def test_who_may_not_join_is_told_why_and_what_to_do(
    nodes: Cluster, version: str, changes: dict[str, str], message: str
):
    command = shlex.join([sys.executable, "-c", JOIN, nodes.address, version])
    ran = nodes.run(command, RAY_NUM_REDIS_GET_RETRIES="2", **changes)
    assert re.search(message, ran.stdout), ran.stdout + ran.stderr


@pytest.mark.soak
@pytest.mark.cluster
def test_the_pages_commands_take_a_study_to_a_cluster(nodes: Cluster):
    page = blocks()
    ran = nodes.run(page["tried: doctor"])
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 problems, 1 warning" in ran.stdout
    assert "Ray gives away 1, torch sees 0" in ran.stdout
    ran = nodes.run(f"{page['tried: run']} --device cpu")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ran = nodes.run(page["tried: status"])
    assert (ran.returncode, ran.stdout.count("finished")) == (0, 2), ran.stdout


def test_every_command_of_the_page_is_run_or_says_why_not():
    marks = re.findall(r"(?:<!-- (.*?) -->\n)?```\n.+?```", PAGE.read_text(), re.DOTALL)
    tried = {mark for mark in marks if mark.startswith("tried: ")}
    assert tried == {f"tried: {name}" for name in ("head", "worker", "doctor", "run", "status")}
    assert all(re.match(r"not tried: \w+", mark) for mark in marks if mark not in tried)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
