"""A study joins a cluster that is there, shares its GPUs in fractions, and leaves it running."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster

CLUSTER = """
import os
import sys
import tempfile

folder = tempfile.mkdtemp(prefix="mf-", dir="/tmp")
os.environ["RAY_TMPDIR"] = folder
os.mkdir(folder + "/ray")
import ray
from ray.cluster_utils import Cluster

cluster = Cluster(
    initialize_head=True,
    head_node_args={"num_cpus": 1, "include_dashboard": False},
)
cluster.add_node(num_cpus=2, num_gpus=1)
print(folder, cluster.address, flush=True)
sys.stdin.readline()
ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
print("alive", flush=True)
ray.shutdown()
cluster.shutdown()
"""

DRIVER = """
import sys
from orchestration.layout import Root
from orchestration.runners.base import Resources
from orchestration.runners.ray_tune import RayTuneRunner
from orchestration.study import Plan
from tests.orchestration.test_existing_cluster import where

root = Root.at(sys.argv[1])
plan = Plan.model_validate_json(root.study("small").asked.read_text())
resources = Resources(address=sys.argv[2], gpus_per_trial=0.5)
RayTuneRunner(root, resources).run(plan, plan.trials, where)
"""


def where(trial: object, root: object, resources: object) -> str:
    """Records the GPUs that Ray gave to the trial."""
    import time

    from orchestration.layout import Root
    from orchestration.ledger import Failure, Ledger
    from orchestration.runners.base import describe_failure
    from orchestration.study import Trial

    assert isinstance(trial, Trial) and isinstance(root, Root)
    folder = root.study(trial.study)
    failure = Failure(kind="", message="")
    record = describe_failure(trial, failure, folder, time.time())
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "none")
    changes = {"status": "finished", "failure": None, "host": seen}
    Ledger(folder).write(record.model_copy(update=changes))
    return "finished"


def test_a_study_runs_on_an_existing_cluster_and_leaves_it(plan, root) -> None:
    import shutil

    from orchestration.ledger import Ledger

    top = str(Path(__file__).resolve().parents[2])
    environment = os.environ | {"PYTHONPATH": top}
    cluster = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert cluster.stdin is not None and cluster.stdout is not None
    folder, address = cluster.stdout.readline().split()
    try:
        command = [sys.executable, "-c", DRIVER, str(root.path), address]
        ran = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert ran.returncode == 0, ran.stderr
        said, _ = cluster.communicate("end\n", timeout=60)
        assert said.strip() == "alive"
    finally:
        cluster.kill()
        cluster.wait()
        shutil.rmtree(folder, ignore_errors=True)
    records = list(Ledger(root.study("small")).records())
    assert [record.status for record in records] == ["finished"] * len(plan.trials)
    assert {record.host for record in records} == {"0"}
