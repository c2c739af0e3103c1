"""The ready-made cluster files are what the programs that read them take; the Slurm one runs."""

import copy
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from moleflow.data.synthetic import make_synthetic
from orchestration.records.layout import Root
from tests.processes import marked, wait_for

TOP = Path(__file__).resolve().parents[3]
FILES = TOP / "orchestration" / "deploy"
BIN = Path(sys.executable).parent

# Fields of ray.io/v1 as KubeRay 1.1 and newer define them.
JOB = {
    "entrypoint",
    "entrypointNumCpus",
    "entrypointNumGpus",
    "entrypointResources",
    "shutdownAfterJobFinishes",
    "ttlSecondsAfterFinished",
    "activeDeadlineSeconds",
    "backoffLimit",
    "submissionMode",
    "suspend",
    "runtimeEnvYAML",
    "rayClusterSpec",
}
CLUSTER = {
    "rayVersion",
    "enableInTreeAutoscaling",
    "autoscalerOptions",
    "headGroupSpec",
    "workerGroupSpecs",
}
HEAD = {"rayStartParams", "template", "serviceType"}
WORKERS = {
    "groupName",
    "replicas",
    "minReplicas",
    "maxReplicas",
    "numOfHosts",
    "rayStartParams",
    "template",
}
POD = {"restartPolicy", "containers", "volumes", "tolerations", "nodeSelector"}


def commands(text: str) -> set[str]:
    """Options of `moleflow` that a text uses."""
    joined = re.sub(r"\\?\n#?\s*", " ", text)
    used = re.findall(r"moleflow (?:run|doctor) [^&\n\"'|]*", joined)
    return {option for command in used for option in re.findall(r"--[a-z0-9-]+", command)}


@pytest.mark.parametrize("name", ["aws.yaml", "rayjob.yaml", "slurm.sh"])
def test_the_files_use_options_that_there_are(name: str):
    from orchestration.cli import application

    known: set[str] = set()
    for command in ("run", "doctor"):
        app = application(command)
        known |= {
            n for argument in app[command].assemble_argument_collection() for n in argument.names
        }
    asked = commands((FILES / name).read_text())
    assert "--address" in asked
    assert asked - known == set()


@pytest.mark.slow
def test_ray_takes_the_aws_file():
    from ray.autoscaler._private.util import prepare_config, validate_config

    found = yaml.safe_load((FILES / "aws.yaml").read_text())
    full = prepare_config(copy.deepcopy(found))
    full["cluster_synced_files"] = []
    validate_config(full)
    types = full["available_node_types"]
    assert set(found["available_node_types"]) == {"head", "gpu"} == set(types)
    assert full["head_node_type"] == "head"
    assert "InstanceMarketOptions" not in types["head"]["node_config"]
    assert types["gpu"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in full["head_start_ray_commands"][1]


@pytest.fixture(scope="module")
def job() -> tuple[dict[str, Any], dict[str, Any]]:
    claim, job = yaml.safe_load_all((FILES / "rayjob.yaml").read_text())
    return claim, job


def test_kuberay_knows_every_field(job: tuple[dict[str, Any], dict[str, Any]]):
    _, found = job
    assert (found["apiVersion"], found["kind"]) == ("ray.io/v1", "RayJob")
    spec = found["spec"]
    cluster = spec["rayClusterSpec"]
    assert set(spec) <= JOB
    assert set(cluster) <= CLUSTER
    assert set(cluster["headGroupSpec"]) <= HEAD
    for group in cluster["workerGroupSpecs"]:
        assert set(group) <= WORKERS
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for pod in pods(found):
        assert set(pod) <= POD
        for params in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
            assert all(isinstance(value, str) for value in params["rayStartParams"].values())


def test_every_pod_has_the_claim_one_image_and_limits(job: tuple[dict[str, Any], dict[str, Any]]):
    claim, found = job
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    images: set[str] = set()
    for pod in pods(found):
        (container,) = pod["containers"]
        images.add(container["image"])
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert set(mounts.values()) == set(volumes)
        shared = volumes[mounts["/shared"]]["persistentVolumeClaim"]["claimName"]
        assert shared == claim["metadata"]["name"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert {"cpu", "memory"} <= set(container["resources"]["limits"])
    assert len(images) == 1
    head, worker = pods(found)
    assert "nvidia.com/gpu" not in head["containers"][0]["resources"]["limits"]
    assert "nvidia.com/gpu" in worker["containers"][0]["resources"]["limits"]
    assert re.findall(r"/shared\S*", found["spec"]["entrypoint"])


def test_all_files_name_the_ray_of_the_constraints(job: tuple[dict[str, Any], dict[str, Any]]):
    (pinned,) = re.findall(r"^ray==(\S+)$", (TOP / "constraints.txt").read_text(), re.MULTILINE)
    assert job[1]["spec"]["rayClusterSpec"]["rayVersion"] == pinned
    assert f"rayproject/ray:{pinned}-py311" in (FILES / "Dockerfile").read_text()
    assert f"ray[default]=={pinned}" in (FILES / "aws.yaml").read_text()
    assert f"/moleflow:{version('moleflow')}" in (FILES / "rayjob.yaml").read_text()


def pods(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    groups = (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    return [group["template"]["spec"] for group in groups]


SRUN = """#!/bin/bash
# Runs on this machine what Slurm would run on a node.
while [[ $1 == -* ]]; do shift; done
case "$*" in
hostname*) echo 127.0.0.1 ;;
"ray start"*) exec "$@" --node-ip-address=127.0.0.1 ;;
*) exec "$@" ;;
esac
"""
SCONTROL = """#!/bin/bash
# Knows two nodes, and keeps what it is told to do with a job and what is there of its cluster then.
case $1 in
show) printf 'one\\ntwo\\n' ;;
*) echo "$@" "$(ls -d "/tmp/mf-$SLURM_JOB_ID" 2>/dev/null)" >>"${0%/*}/told" ;;
esac
"""
STUDY = (
    "--profile quick --classes washer wood --orders 1 --seeds 1 --device cpu "
    "--set image.size=64 backbone.name=resnet18 backbone.weights=random patches.dim=16 "
    "patches.grid=last flow.blocks=2 flow.context_kernel=3 lora.rank=2 training.batch_size=4 "
    "training.epochs=100000"
)


def lay_tools(folder: Path, **scripts: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A Slurm job's environment, on one machine; without a trace afterwards."""
    mark, tools = uuid.uuid4().hex, tmp_path / "environment" / "bin"
    lay_tools(tools, srun=SRUN, scontrol=SCONTROL)
    for name in ("ray", "moleflow", "python"):
        (tools / name).symlink_to(BIN / name)
    yield {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
        "MARK": mark,
        "MOLEFLOW_ENVIRONMENT": str(tools.parent),
        "MOLEFLOW_ROOT": str(tmp_path / "runs"),
        "MOLEFLOW_DATA": str(make_synthetic(tmp_path / "data")),
        "SLURM_JOB_ID": str(os.getpid() * 10 + 7),
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_CPUS_PER_TASK": "2",
        "SLURM_GPUS_ON_NODE": "1",
        "MOLEFLOW_REQUEUE": "yes",
    }
    for process in marked(mark):
        os.kill(process, signal.SIGKILL)


@pytest.mark.soak
@pytest.mark.cluster
def test_a_slurm_job_that_is_told_of_its_end_ends_its_study_and_leaves_nothing(
    site: dict[str, str], tmp_path: Path
):
    text = (FILES / "slurm.sh").read_text()
    script = tmp_path / "slurm.sh"
    script.write_text(re.sub(r"--profile main\s+--orders 5 --seeds 3", STUDY, text))
    assert STUDY in script.read_text()
    trials = Root.at(site["MOLEFLOW_ROOT"]).study("task_order").trials
    scratch = Path(f"/tmp/mf-{site['SLURM_JOB_ID']}")
    with (tmp_path / "log").open("wb") as log:
        job = subprocess.Popen(["bash", script], env=site, stdout=log, stderr=log)
    try:
        wait_for(lambda: job.poll() is not None or epochs(trials), 240)
        assert job.poll() is None, (tmp_path / "log").read_text()
        assert scratch.exists()
        # To the batch script alone, as `--signal=B:USR1@300` has it.
        job.send_signal(signal.SIGUSR1)
        code = job.wait(60)
        said = (tmp_path / "log").read_text()
        assert code == 130, said
        assert "resume with: moleflow run task_order" in said
        assert list(trials.glob("*.json")) == []
        wait_for(lambda: not marked(site["MARK"]), 10)
        assert not scratch.exists()
        told = Path(site["MOLEFLOW_ENVIRONMENT"], "bin", "told").read_text()
        assert told.split() == ["requeue", site["SLURM_JOB_ID"]]
    finally:
        job.kill()
        job.wait()
        shutil.rmtree(scratch, ignore_errors=True)


STUDY_STANDS_IN = """#!/bin/bash
# `doctor` finds all well; `run` is at work until it is interrupted, or ends at once.
[[ $1 = doctor ]] && exit
[[ $RUNS = no ]] && exit 0
trap 'exit 130' INT
echo at work
while :; do sleep 0.1; done
"""
RAY_STANDS_IN = """#!/bin/bash
trap 'exit 0' TERM
while :; do sleep 0.1; done
"""


@pytest.mark.parametrize(
    ("asked", "told", "requeued"),
    [
        ("yes", signal.SIGUSR1, True),
        ("no", signal.SIGUSR1, False),
        ("yes", signal.SIGTERM, False),
        ("yes", None, False),
    ],
    ids=["time limit", "not asked for", "cancelled", "done"],
)
def test_a_slurm_job_is_requeued_where_that_is_asked_for_and_the_time_limit_ended_it(
    asked: str, told: signal.Signals | None, requeued: bool, tmp_path: Path
):
    """And nothing is left of its cluster by then."""
    tools = tmp_path / "environment" / "bin"
    stand_ins = {"ray": RAY_STANDS_IN, "moleflow": STUDY_STANDS_IN}
    lay_tools(tools, srun=SRUN, scontrol=SCONTROL, **stand_ins)
    number = str(os.getpid() * 10 + 8)
    about = {
        "PATH": os.environ["PATH"],
        "MOLEFLOW_ENVIRONMENT": str(tools.parent),
        "MOLEFLOW_REQUEUE": asked,
        "SLURM_JOB_ID": number,
        "SLURM_JOB_NODELIST": "node1",
        "SLURM_CPUS_PER_TASK": "1",
        "RUNS": "no" if told is None else "yes",
    }
    script = (FILES / "slurm.sh").read_text().replace("for _ in {1..60}", "for _ in 1")
    path, log = tmp_path / "slurm.sh", tmp_path / "log"
    path.write_text(script.replace("sleep 1\n", "true\n"))
    with log.open("wb") as file:
        job = subprocess.Popen(["bash", path], env=about, stdout=file, stderr=file)
    if told is not None:
        wait_for(lambda: "at work" in log.read_text() or job.poll() is not None)
        job.send_signal(told)
    assert job.wait(60) == (0 if told is None else 130), log.read_text()
    kept = tools / "told"
    assert (kept.read_text().split() if kept.exists() else []) == (
        ["requeue", number] if requeued else []
    )
    assert not Path(f"/tmp/mf-{number}").exists()


def epochs(trials: Path) -> bool:
    """Whether a trial is in training."""
    return any("epoch" in file.read_text() for file in trials.glob("*/events.jsonl"))
