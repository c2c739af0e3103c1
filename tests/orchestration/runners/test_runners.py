"""Runners: the same trials give the same records wherever they run."""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from moleflow.errors import ConfigError, StoreError, StudyError
from moleflow.measurement import Measurement
from moleflow.settings import parse
from orchestration.driver.driving import request_stop
from orchestration.records.events import Attempt, EventLog, read_events
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger, Record
from orchestration.records.plans import plan_of
from orchestration.runners.inline import InlineRunner
from orchestration.runners.runner import Runner, TrialFunction, describe_failure, left_to_run
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.terms import Resources, Terms
from tests.processes import marked, wait_for

pytestmark = pytest.mark.slow

DRIVER = """
import sys
from pathlib import Path
from orchestration.driver.driving import driving
from orchestration.records.layout import Root
from orchestration.records.plans import plan_of
from orchestration.runners.ray_tune import RayTuneRunner
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Plan
from orchestration.studies.terms import Terms
from tests.orchestration.runners.test_runners import endless

root = Root.at(sys.argv[1])
plan = plan_of(root.study("small"))
try:
    with driving("small", root, "test"):
        RayTuneRunner(root, Terms()).run(plan, Schedule(plan, root.study("small")), endless)
except KeyboardInterrupt:
    sys.exit(130)
"""


def finished(trial: Trial, root: Root, terms: Terms) -> str:
    folder = root.study(trial.study)
    log = EventLog(folder.events(trial.key))
    log.add(Attempt(host=f"{os.getpid()}"))
    value = len(trial.axes["order"]) + trial.seed / 7
    row = Measurement(
        step=1,
        task=-1,
        class_name="",
        metric="image_auroc",
        definition="final_mean",
        routing="routed",
        value=value,
    )
    record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
    changes = {
        "status": "finished",
        "failure": None,
        "rows": (row,),
        "threads": terms.resources.threads,
    }
    Ledger(folder).write(record.model_copy(update=changes))
    return "finished"


def refused(trial: Trial, root: Root, terms: Terms) -> str:
    """A deterministic failure: recorded by the trial itself, and returned."""
    folder = root.study(trial.study)
    EventLog(folder.events(trial.key)).add(Attempt())
    failure = Failure(kind="DataError", message="class wood has no images")
    Ledger(folder).write(describe_failure(trial, failure, folder, time.time()))
    return "failed"


def never_reads(trial: Trial, root: Root, terms: Terms) -> str:
    EventLog(root.study(trial.study).events(trial.key)).add(Attempt())
    raise OSError(24, "Too many open files", "features.safetensors")


def endless(trial: Trial, root: Root, terms: Terms) -> str:
    EventLog(root.study(trial.study).events(trial.key)).add(Attempt())
    time.sleep(600)
    return "never"


def mixed(trial: Trial, root: Root, terms: Terms) -> str:
    """Of a plan's four trials: two finished, one refused, one never able to read."""
    plan = plan_of(root.study(trial.study))
    index = [each.key for each in plan.trials].index(trial.key)
    return (finished, finished, refused, never_reads)[index](trial, root, terms)


@dataclass(frozen=True)
class Wave:
    """What a study's four trials left, on Ray and inline."""

    plan: Plan
    root: Root
    inline: Root
    printed: str

    def record(self, index: int) -> Record:
        record = Ledger(self.root.study("small")).read(self.plan.trials[index].key)
        assert record is not None
        return record


@pytest.fixture(scope="module")
def connected() -> Iterator[None]:
    """One cluster for the module: starting one takes seconds. What a driver below `ray job submit`,
    or on a platform, inherits says nothing of it."""
    from orchestration.runners.ray_tune import cluster

    with pytest.MonkeyPatch.context() as inherited:
        inherited.setenv("RAY_RUNTIME_ENV_HOOK", "no.such.hook")
        foreign = {"runtime_env": {"env_vars": {"PATH": "/nowhere"}}, "metadata": {}}
        inherited.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(foreign))
        with cluster(Resources()):
            yield
        assert os.environ["RAY_RUNTIME_ENV_HOOK"] == "no.such.hook"


def test_workers_have_the_drivers_priority_and_path_and_uv_starts_none(connected) -> None:
    import ray
    from ray._private import ray_constants

    def describe() -> tuple[int, str]:
        return os.getpriority(os.PRIO_PROCESS, 0), os.environ["PATH"]

    priority, path = ray.get(ray.remote(describe).remote())
    assert priority == os.getpriority(os.PRIO_PROCESS, 0)
    assert path != "/nowhere"
    assert not ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV


@pytest.fixture(scope="module")
def wave(connected, make_plan, tmp_path_factory) -> Wave:
    root, inline = (Root.at(tmp_path_factory.mktemp(name)) for name in ("ray", "inline"))
    plan, printed = make_plan(root), io.StringIO()
    make_plan(inline)
    with redirect_stdout(printed), redirect_stderr(printed):
        run(ray_runner(root, max_retries=1), plan, mixed)
    run(InlineRunner(inline, Terms(resources=Resources(max_retries=1))), plan, mixed)
    return Wave(plan, root, inline, printed.getvalue())


def ray_runner(root: Root, **resources):
    from orchestration.runners.ray_tune import RayTuneRunner

    return RayTuneRunner(root, Terms(resources=parse(Resources, resources)))


def run(runner: Runner, plan: Plan, function: TrialFunction) -> None:
    runner.run(plan, Schedule(plan, runner.root.study(plan.name)), function)


def records(root: Root) -> list[Record]:
    return list(Ledger(root.study("small")).records())


def numbers(record: Record) -> Record:
    """A record without what two runs cannot have in common."""
    changes: dict[str, object] = {"started": 0.0, "ended": 0.0, "spans": ()}
    if record.failure is not None:
        changes["failure"] = record.failure.model_copy(update={"traceback": ""})
    return record.model_copy(update=changes)


def test_left_to_run_is_plan_minus_ledger(root: Root, plan: Plan):
    finished(plan.trials[1], root, Terms())
    assert [t.key for t in left_to_run(plan, root)] == [
        plan.trials[i].key for i in range(len(plan.trials)) if i != 1
    ]


def test_threads_are_whole_cpus_and_at_least_one():
    assert [Resources(cpus_per_trial=n).threads for n in (0.25, 1.0, 3.0)] == [1, 1, 3]


@pytest.mark.slow
def test_a_part_of_a_gpu_above_one_is_refused():
    with pytest.raises(ConfigError, match=r"GPUs per trial: 1\.5"):
        parse(Resources, {"gpus_per_trial": 1.5})


@pytest.mark.cluster
def test_inline_and_ray_give_the_same_records(wave: Wave):
    assert len(records(wave.root)) == len(wave.plan.trials)
    assert [numbers(r) for r in records(wave.root)] == [numbers(r) for r in records(wave.inline)]


@pytest.mark.cluster
def test_a_wave_that_ended_leaves_only_the_ledger(wave: Wave):
    left = sorted(path.name for path in wave.root.study("small").path.iterdir())
    assert left == ["study.json", "trials"]


@pytest.mark.cluster
def test_ray_prints_nothing(wave: Wave):
    assert wave.printed == ""


@pytest.mark.cluster
def test_a_recorded_failure_is_not_retried(wave: Wave):
    record = wave.record(2)
    events = list(read_events(wave.root.study("small").events(record.key)))
    assert record.failure is not None
    assert (record.failure.kind, len(events)) == ("DataError", 1)


@pytest.mark.cluster
def test_an_io_error_is_retried_and_then_recorded(wave: Wave):
    record = wave.record(3)
    assert record.failure is not None
    assert (record.status, record.failure.kind, record.attempts) == ("failed", "OSError", 2)
    assert "features.safetensors" in record.failure.message
    assert "in never_reads" in record.failure.traceback


@pytest.mark.cluster
@pytest.mark.soak
def test_trials_start_in_the_order_of_the_schedule(connected, make_plan, root: Root):
    plan = make_plan(root)
    expected, schedule = list[str](), Schedule(plan, root.study("small"), sharing=False)
    while (start := schedule.next()) is not None:
        expected.append(start.trial.key)
    runner = ray_runner(root, cpus_per_trial=float(os.cpu_count() or 1))
    runner.run(plan, Schedule(plan, root.study("small"), sharing=False), finished)
    begun = {record.key: record.started for record in records(root)}
    assert sorted(begun, key=lambda key: begun[key]) == expected


@pytest.mark.cluster
def test_an_error_of_the_driver_ends_the_study_and_is_told(
    connected, root: Root, plan: Plan, monkeypatch: pytest.MonkeyPatch
):
    def full(self: Ledger, record: Record) -> None:
        raise StoreError(f"{record.key}: cannot be written (disk full)")

    monkeypatch.setattr(Ledger, "write", full)
    with pytest.raises(StoreError, match="disk full"):
        run(ray_runner(root, max_retries=0), plan, never_reads)


@pytest.mark.cluster
def test_what_this_machine_is_said_to_have_is_what_its_cluster_has(connected):
    import ray

    from orchestration.cluster.placing import alive_nodes, this_machine

    assert ray.is_initialized()
    (node,), told = alive_nodes(), this_machine()
    kinds = {name for name in node if name in ("CPU", "GPU") or name.startswith("accelerator_type")}
    assert {name: node[name] for name in kinds} == {name: told[name] for name in kinds}


@pytest.mark.cluster
@pytest.mark.parametrize("ask", [{"gpus_per_trial": 64.0}, {"cpus_per_trial": 4096.0}])
def test_more_than_any_node_has_is_refused_before_anything_starts(
    connected, root: Root, plan: Plan, ask
):
    with pytest.raises(StudyError, match=rf"no node has as much .*{os.cpu_count()} CPUs"):
        run(ray_runner(root, **ask), plan, finished)
    assert records(root) == []
    assert not (root.study("small").path / "waves").exists()


@pytest.mark.cluster
@pytest.mark.parametrize(
    "way",
    ["interrupt", *(pytest.param(way, marks=pytest.mark.soak) for way in ("terminate", "stop"))],
)
def test_an_interrupt_leaves_no_process_and_no_folder(root: Root, plan: Plan, way: str):
    here = str(Path(__file__).resolve().parents[3])
    mark = f"mark-{uuid.uuid4().hex}"
    environment = {**os.environ, "PYTHONPATH": here, "MOLEFLOW_MARK": mark}
    # Sockets lie below it, so its path must be short.
    with tempfile.TemporaryDirectory(prefix="mft-", dir="/tmp") as scratch:
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(root.path)],
            env={**environment, "TMPDIR": scratch},
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(lambda: any(root.study("small").trials.glob("*/events.jsonl")), 120)
            assert len(marked(mark)) > 2
            match way:
                case "interrupt":  # a terminal's Ctrl-C goes to the whole group
                    os.killpg(driver.pid, signal.SIGINT)
                case "terminate":
                    os.kill(driver.pid, signal.SIGTERM)
                case _:
                    assert request_stop("small", root, patience=30) is not None
            output, _ = driver.communicate(timeout=30)
            assert (driver.returncode, output) == (130, b"")
            wait_for(lambda: not marked(mark), 10)
            assert list(Path(scratch).glob("mf-*")) == []
            assert records(root) == []
            left = [path.name for path in root.study("small").path.iterdir()]
            assert sorted(left) == ["study.json", "trials"]
        finally:
            for process in marked(mark):
                os.kill(process, signal.SIGKILL)
            driver.wait()
