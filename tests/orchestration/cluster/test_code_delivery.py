"""Nodes need third-party packages only: the code that a trial runs is the driver's."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.cluster.delivery import PACKAGES, sources
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.studies.expansion import Plan
from tests.local_cluster import TOP, LocalCluster, local_cluster

DRIVER = """
import sys
import time
from orchestration.records.layout import Root
from orchestration.records.plans import plan_of
from orchestration.records.ledger import Failure, Ledger
from orchestration.runners.runner import describe_failure
from orchestration.runners.ray_tune import RayTuneRunner
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Plan
from orchestration.studies.terms import Resources, Terms


def where(trial, root, terms):
    # A function of the script itself, which workers get by value.
    from importlib.metadata import version
    import moleflow, moleflow_start, orchestration, reports, search_spaces

    folder = root.study(trial.study)
    record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
    packages = (moleflow, moleflow_start, orchestration, reports, search_spaces)
    versions = {package.__name__: package.__path__[0] for package in packages}
    versions["metadata"] = version("moleflow")
    changes = {"status": "finished", "failure": None, "versions": versions, "git": terms.revision}
    Ledger(folder).write(record.model_copy(update=changes))
    return "finished"


root = Root.at(sys.argv[1])
plan = plan_of(root.study("small"))
terms = Terms(resources=Resources(address=sys.argv[2]), revision="0123abcd")
RayTuneRunner(root, terms).run(plan, Schedule(plan, root.study("small")), where)
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    """The Python of an environment with everything that is installed here but our packages."""
    folder = tmp_path_factory.mktemp("bare") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    [inside] = (folder / "lib").glob("python*/site-packages")
    [here] = {Path(path) for path in sys.path if path.endswith("site-packages")}
    for entry in here.iterdir():
        if "moleflow" not in entry.name and not (inside / entry.name).exists():
            (inside / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def running(bare: Path) -> Iterator[LocalCluster]:
    with local_cluster([{"num_cpus": 0}, {"num_cpus": 2}], str(bare), code=None) as cluster:
        yield cluster


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGES)
def test_a_bare_environment_has_none_of_our_packages(bare: Path, name: str):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    said = subprocess.run(
        [str(bare), "-c", f"import ray\nimport {name}"],
        capture_output=True,
        text=True,
        cwd="/",
        env=environment,
    )
    assert f"No module named '{name}'" in said.stderr


@pytest.mark.cluster
@pytest.mark.soak
def test_a_node_without_our_code_runs_the_drivers(running: LocalCluster, plan: Plan, root: Root):
    ran = subprocess.run(
        [sys.executable, "-c", DRIVER, str(root.path), running.address],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TOP)},
        # Ray lets workers import from the folder that a driver was started in.
        cwd="/",
    )
    assert ran.returncode == 0, ran.stderr
    records = list(Ledger(root.study("small")).records())
    assert [record.status for record in records] == ["finished"] * len(plan.trials)
    found = records[0].versions
    assert found.keys() == {*PACKAGES, "metadata"}
    assert not any(found[name].startswith(str(TOP)) for name in PACKAGES)
    assert {record.git for record in records} == {"0123abcd"}


def test_what_is_sent_is_our_packages_and_their_metadata():
    assert [Path(folder).name for folder in sources()[: len(PACKAGES)]] == list(PACKAGES)
    assert (Path(sources()[len(PACKAGES)]) / "METADATA").exists()
