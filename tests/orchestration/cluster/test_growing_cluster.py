"""A cluster whose autoscaler starts nodes: Ray's own, with its provider of nodes on one machine."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger
from orchestration.runners.guard import Guard
from orchestration.runners.runner import describe_failure
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.terms import Resources, Terms
from tests.processes import marked, wait_for

pytestmark = pytest.mark.cluster
TOP = Path(__file__).resolve().parents[3]
MOST = 3
"""Nodes that the autoscaler may start."""
COMMANDS = (
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
)

HEAD = """
import sys
import ray
from ray.cluster_utils import Cluster

Cluster(
    initialize_head=True,
    head_node_args={
        "num_cpus": 0,
        "gcs_server_port": int(sys.argv[1]),
        "autoscaling_config": sys.argv[2],
        "include_dashboard": False,
    },
)
print("runs", flush=True)
sys.stdin.readline()
"""

DRIVER = """
import sys
from orchestration.records.layout import Root
from orchestration.records.plans import plan_of
from orchestration.runners.ray_tune import RayTuneRunner
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Plan
from orchestration.studies.terms import Resources, Terms
from tests.orchestration.cluster.test_growing_cluster import meet

root = Root.at(sys.argv[1])
plan = plan_of(root.study("small"))
terms = Terms(resources=Resources(address=sys.argv[2], gpus_per_trial=1.0, autoscaling=True))
RayTuneRunner(root, terms).run(plan, Schedule(plan, root.study("small")), meet)
"""


def meet(trial: Trial, root: Root, terms: Terms) -> str:
    """Ends when as many trials are at work as nodes can come; records its node."""
    import ray

    folder = root.study(trial.study)
    here = folder.path / "meeting"
    here.mkdir(exist_ok=True)
    (here / trial.key).touch()
    deadline = time.monotonic() + 90
    while len(list(here.iterdir())) < MOST and time.monotonic() < deadline:
        time.sleep(0.1)
    record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
    node = ray.get_runtime_context().get_node_id()
    changes = {"status": "finished", "failure": None, "host": node, "ended": time.time()}
    Ledger(folder).write(record.model_copy(update=changes))
    return "finished"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def autoscaling(address: str) -> dict[str, object]:
    """A head on which no trial fits, and GPU nodes of which none is there at first."""
    return {
        "cluster_name": "growing",
        "max_workers": MOST,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 10,
        "provider": {
            "type": "fake_multinode",
            "gcs_address": address,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "auth": {},
        "head_node_type": "ray.head.default",
        "file_mounts": {},
        "cluster_synced_files": [],
        **{name: [] for name in COMMANDS},
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "gpu": {
                "resources": {"CPU": 1, "GPU": 1, "object_store_memory": 10**8},
                "node_config": {},
                "min_workers": 0,
                "max_workers": MOST,
            },
        },
    }


def killed(mark: str) -> list[int]:
    """Processes with the mark, all of which were sent a signal."""
    found = marked(mark)
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


@contextmanager
def growing_cluster(folder: Path) -> Generator[str]:
    """A head and its autoscaler, whose nodes are ended too; gives its address.

    Args:
        folder: what Ray keeps; its path is short, as sockets lie in it.
    """
    from ray.util import get_node_ip_address

    port, config = free_port(), folder / "autoscaling.json"
    address = f"{get_node_ip_address()}:{port}"
    config.write_text(json.dumps(autoscaling(address)))
    (folder / "ray").mkdir()
    mark = f"RAY_TMPDIR={folder}"
    head = subprocess.Popen(
        [sys.executable, "-c", HEAD, str(port), str(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env=os.environ
        | {
            "RAY_TMPDIR": str(folder),
            "RAY_FAKE_CLUSTER": "1",
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "PYTHONPATH": str(TOP),
        },
    )
    try:
        assert head.stdout is not None
        assert head.stdout.readline() == "runs\n"
        yield address
    finally:
        # The autoscaler's nodes are children of its own, and would outlive it.
        wait_for(lambda: not killed(mark), 20)
        head.communicate()


@pytest.fixture
def address() -> Iterator[str]:
    folder = Path("/tmp") / f"mf-grows-{os.getpid()}"
    folder.mkdir()
    try:
        with growing_cluster(folder) as found:
            yield found
    finally:
        shutil.rmtree(folder)


@pytest.mark.soak
def test_trials_that_wait_make_nodes_come(address: str, plan: Plan, root: Root):
    ran = subprocess.run(
        [sys.executable, "-c", DRIVER, str(root.path), address],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TOP)},
        timeout=180,
    )
    assert ran.returncode == 0, ran.stderr
    records = list(Ledger(root.study("small")).records())
    assert {record.status for record in records} == {"finished"}
    assert len(records) == len(plan.trials)
    assert len({record.host for record in records}) == MOST


def test_that_no_trial_begins_is_said_once(plan: Plan, root: Root, monkeypatch: pytest.MonkeyPatch):
    from orchestration.cluster import placing
    from orchestration.runners import ray_tune

    said: list[str] = []
    folder = root.study("small")
    capacity = placing.Capacity(Resources(address="auto"), {"CPU": 1.0, "GPU": 1.0})
    monkeypatch.setattr(placing, "alive_nodes", lambda: [{"CPU": 4.0}])
    queue = ray_tune.TrialQueue(
        Schedule(plan, folder), folder, Guard(folder, Resources()), capacity, said.append
    )
    monkeypatch.setattr(ray_tune, "UNBEGUN", 0.0)
    queue.check()
    assert not said
    queue.hand_out()
    queue.check()
    queue.check()
    assert len(said) == 1
    assert "asks for 1 CPUs, 1 GPUs; the cluster's nodes: 4 CPUs, 0 GPUs. Other work" in said[0]


def test_as_many_wait_as_there_is_room_for_and_never_fewer_than_sixteen(
    monkeypatch: pytest.MonkeyPatch,
):
    from orchestration.cluster import placing

    nodes: list[placing.Declared] = []
    monkeypatch.setattr(placing, "alive_nodes", lambda: nodes)
    monkeypatch.setattr(placing, "LOOK", 0.0)
    asked = Resources(address="auto", gpus_per_trial=0.5, autoscaling=True)
    capacity = placing.Capacity(asked, {"CPU": 1.0, "GPU": 0.5})
    assert capacity() == 16
    nodes += [{"CPU": 4.0, "GPU": 1.0}] * 3
    assert capacity() == 6 + 16
    nodes += [{"CPU": 4.0, "GPU": 1.0}] * 7
    assert capacity() == 20 + 20


def test_no_more_trials_are_out_than_fit_on_this_machine(monkeypatch: pytest.MonkeyPatch):
    from orchestration.cluster import placing

    monkeypatch.setattr(placing, "alive_nodes", lambda: [{"CPU": 2.0}])
    assert placing.Capacity(Resources(), {"CPU": 1.0})() == 2


@pytest.mark.parametrize(
    ("kind", "name"), [("A10G", "accelerator_type:A10G"), ("rtx3090", "rtx3090")]
)
def test_a_kind_of_node_that_may_come_has_the_name_that_ray_gives_it(
    kind: str, name: str, monkeypatch: pytest.MonkeyPatch
):
    from orchestration.cluster import placing

    monkeypatch.setattr(placing, "alive_nodes", lambda: [{"CPU": 0.0}])
    asked = Resources(address="auto", accelerator=kind, autoscaling=True)
    assert name in placing.share_of_a_node(asked)
