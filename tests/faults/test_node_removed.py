"""A node that dies costs its trials one attempt: they run elsewhere."""

import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from moleflow.config import Config
from orchestration.cluster.environment import quiet_environment
from orchestration.records.events import Attempt, EventLog
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Failure, Ledger, Record
from orchestration.records.worker import Worker, read_worker
from orchestration.runners.runner import describe_failure
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Resources, Terms
from tests.local_cluster import local_cluster
from tests.processes import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.soak]
DEADLINE = 60.0


def patient(trial: Trial, root: Root, terms: Terms) -> str:
    """Finishes when it is told to."""
    folder = root.study(trial.study)
    EventLog(folder.events(trial.key)).add(Attempt())
    deadline = time.monotonic() + DEADLINE
    while not (root.path / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
    changes = {"status": "finished", "failure": None, "host": os.environ["CUDA_VISIBLE_DEVICES"]}
    Ledger(folder).write(record.model_copy(update=changes))
    return "finished"


def remove_a_node(folder: StudyFolder, plan: Plan, raylet: int, go: Path, begun: list[str]) -> None:
    """When two trials run on two nodes, kill one; when its trial is gone, let all end."""
    deadline = time.monotonic() + DEADLINE
    workers: dict[str, Worker] = {}
    while len({w.node for w in workers.values()}) < 2 and time.monotonic() < deadline:
        found = {trial.key: read_worker(folder, trial.key) for trial in plan.trials}
        workers = {key: worker for key, worker in found.items() if worker}
        time.sleep(0.1)
    begun += workers
    os.kill(raylet, signal.SIGKILL)
    while all(runs(w.pid) for w in workers.values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    go.touch()


def runs(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@dataclass(frozen=True)
class Aftermath:
    plan: Plan
    records: list[Record]
    begun: list[str]
    """Keys of the trials that ran when the node died."""
    printed: str


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory) -> Iterator[Aftermath]:
    root = Root.at(tmp_path_factory.mktemp("root"))
    study = Study(question="Who moves?", base=Config(), seeds=(0, 1, 2))
    plan = expand("removal", study, "/data", {"wood": "w"}, {study.base.backbone: "weights"})
    folder, begun = root.study("removal"), list[str]()
    printed = io.StringIO()
    gpu = {"num_cpus": 1, "num_gpus": 1}
    with pytest.MonkeyPatch.context() as patch, local_cluster([{"num_cpus": 0}, gpu, gpu]) as here:
        terms = Terms(resources=Resources(address=here.address, gpus_per_trial=1.0))
        for name, value in quiet_environment(terms.resources).items():
            patch.setenv(name, value)
        from orchestration.runners.ray_tune import RayTuneRunner

        arguments = (folder, plan, here.raylets[1], root.path / "go", begun)
        removal = threading.Thread(target=remove_a_node, args=arguments)
        removal.start()
        with redirect_stdout(printed), redirect_stderr(printed):
            RayTuneRunner(root, terms).run(plan, Schedule(plan, folder), patient)
        removal.join()
    yield Aftermath(plan, list(Ledger(folder).records()), begun, printed.getvalue())


def test_every_trial_finishes_though_a_node_died(aftermath: Aftermath):
    assert [record.status for record in aftermath.records] == ["finished"] * 3
    assert len(aftermath.begun) == 2


def test_only_the_trial_on_the_lost_node_ran_twice(aftermath: Aftermath):
    attempts = {record.key: record.attempts for record in aftermath.records}
    assert sorted(attempts[key] for key in aftermath.begun) == [1, 2]
    assert sum(attempts.values()) == 4


def test_the_death_of_a_node_prints_nothing(aftermath: Aftermath):
    assert aftermath.printed == ""


def test_a_node_that_declares_a_gpu_lends_it(aftermath: Aftermath):
    assert {record.host for record in aftermath.records} == {"0"}


def at_work(arena: Any) -> set[str]:
    """Nodes on which trials are being trained."""
    training = [
        key
        for key, events in arena.events().items()
        if any(e.kind == "epoch" for e in events) and all(e.kind != "end" for e in events)
    ]
    workers = [read_worker(arena.folder, key) for key in training]
    return {worker.node for worker in workers if worker is not None and runs(worker.pid)}


def test_a_node_that_dies_in_training_changes_no_number(
    arena: Any, check: Callable[[Any], None]
) -> None:
    node = {"num_cpus": 1}
    with local_cluster([{"num_cpus": 0}, node, node]) as here:
        process = arena.start(*arena.command("--address", here.address))
        wait_for(lambda: len(at_work(arena)) == 2, 240)
        os.kill(here.raylets[1], signal.SIGKILL)
        ran = arena.ended(process)
        assert ran.code == 0, ran.text
        check(arena)
    assert max(record.attempts for record in arena.records().values()) == 2
