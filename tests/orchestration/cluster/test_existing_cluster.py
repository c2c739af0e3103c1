"""A study joins a cluster that is there, takes what it asks of its nodes, and leaves it running."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from moleflow.errors import StudyError
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger
from orchestration.runners.runner import describe_failure
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.terms import Resources, Terms
from tests.local_cluster import LocalCluster, local_cluster

pytestmark = pytest.mark.cluster
TOP = str(Path(__file__).resolve().parents[3])

DRIVER = """
import sys
from orchestration.records.layout import Root
from orchestration.records.plans import plan_of
from orchestration.runners.ray_tune import RayTuneRunner
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Plan
from orchestration.studies.terms import Resources, Terms
from tests.orchestration.cluster.test_existing_cluster import where

root = Root.at(sys.argv[1])
plan = plan_of(root.study("small"))
terms = Terms(resources=Resources.model_validate_json(sys.argv[2]))
RayTuneRunner(root, terms).run(plan, Schedule(plan, root.study("small")), where)
"""

OTHER_VERSION = """
import sys
import ray
from orchestration.cluster.joining import cluster
from orchestration.studies.terms import Resources

{change}
with cluster(Resources(address=sys.argv[1])):
    pass
"""


def where(trial: Trial, root: Root, terms: Terms) -> str:
    """Records the GPUs and the kind of node that Ray gave to the trial."""
    import ray

    folder = root.study(trial.study)
    record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
    got = ray.get_runtime_context().get_assigned_resources()
    seen = f"{os.environ.get('CUDA_VISIBLE_DEVICES', 'none')} {got.get('memory', 0):g}"
    changes = {"status": "finished", "failure": None, "host": seen, "device": kind_of(got)}
    Ledger(folder).write(record.model_copy(update=changes))
    return "finished"


def kind_of(resources: dict[str, float]) -> str:
    return next((name for name in resources if name.startswith(("A100", "rtx3090"))), "any")


@pytest.fixture(scope="module")
def running() -> Iterator[LocalCluster]:
    """A head without CPUs; a node with a GPU and 6 GB; one of a kind, with 2 GB."""
    nodes = [
        {"num_cpus": 0},
        {"num_cpus": 2, "num_gpus": 1, "memory": 6_000_000_000},
        {"num_cpus": 2, "memory": 2_000_000_000, "resources": {"rtx3090": 1}},
    ]
    with local_cluster(nodes) as cluster:
        yield cluster


def drive(root: Root, resources: Resources) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", DRIVER, str(root.path), resources.model_dump_json()],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": TOP},
    )


@pytest.mark.soak
def test_trials_share_a_gpu_and_reserve_memory(running: LocalCluster, plan: Plan, root: Root):
    asked = Resources(address=running.address, gpus_per_trial=0.5, memory_per_trial=2.5)
    ran = drive(root, asked)
    assert ran.returncode == 0, ran.stderr
    records = list(Ledger(root.study("small")).records())
    assert [record.status for record in records] == ["finished"] * len(plan.trials)
    assert {record.host for record in records} == {"0 2.5e+09"}


@pytest.mark.soak
def test_trials_run_on_nodes_of_the_kind_asked_for(running: LocalCluster, plan: Plan, root: Root):
    ran = drive(root, Resources(address=running.address, accelerator="rtx3090"))
    assert ran.returncode == 0, ran.stderr
    kinds = [record.device for record in Ledger(root.study("small")).records()]
    assert len(kinds) == len(plan.trials)
    assert all(kind.startswith("rtx3090") for kind in kinds)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"accelerator": "A100"}, "no node declares it (declared: rtx3090)"),
        ({"memory_per_trial": 7.0}, "asks for 1 CPUs, 0 GPUs, 7 GB, and no node has as much"),
        (
            {"memory_per_trial": 3.0, "accelerator": "rtx3090"},
            "asks for 1 CPUs, 0 GPUs, 3 GB, rtx3090, and no node has as much",
        ),
    ],
)
def test_what_no_node_has_is_refused_by_name(
    running: LocalCluster, plan: Plan, root: Root, asked: dict[str, object], said: str
):
    ran = drive(root, Resources.model_validate({"address": running.address, **asked}))
    assert f"StudyError: {'--accelerator' if 'declares' in said else 'a trial'}" in ran.stderr
    assert said in ran.stderr
    assert not list(Ledger(root.study("small")).records())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ray.__version__ = '2.7.0'", "and this is Ray 2.7.0 on"),
        (
            "import ray._private.utils as u\nu.compute_version_info = lambda: ('2.60.0', '3.9.1')",
            "on Python 3.9.1; they must be the same",
        ),
    ],
)
def test_another_version_of_ray_or_python_is_named(running: LocalCluster, change: str, said: str):
    ran = subprocess.run(
        [sys.executable, "-c", OTHER_VERSION.format(change=change), running.address],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": TOP},
    )
    assert f"StudyError: --address {running.address}: the cluster runs Ray" in ran.stderr
    assert said in ran.stderr


def test_an_address_where_nobody_is_is_refused_at_once(root: Root):
    from orchestration.cluster.joining import cluster

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        with (
            pytest.raises(StudyError, match=f"--address {address}: no Ray cluster answers there"),
            cluster(Resources(address=address)),
        ):
            pass
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("address", ["nonsense", "ray://127.0.0.1:10001", "127.0.0.1:", ":6379"])
def test_what_is_no_address_is_refused(address: str):
    from orchestration.cluster.joining import cluster

    with (
        pytest.raises(StudyError, match="give HOST:PORT of a cluster's head node"),
        cluster(Resources(address=address)),
    ):
        pass


def test_the_cluster_is_left_as_it_was(running: LocalCluster):
    assert running.process.poll() is None
