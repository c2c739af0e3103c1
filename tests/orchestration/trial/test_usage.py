"""What a trial says of its own process."""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from orchestration.records.events import EventLog, read_events
from orchestration.records.layout import Root
from orchestration.records.stages import StageRef
from orchestration.studies.expansion import Plan
from orchestration.trial import attempt_log as attempt_logs
from orchestration.trial.attempt_log import AttemptLog
from orchestration.trial.usage import Usage, host_memory, own_memory

MB = 10**6
TOP = Path(__file__).parents[3]


def test_a_busy_process_uses_cores_and_a_sleeping_one_none():
    usage = Usage()
    time.sleep(0.2)
    idle = usage.sample().cores
    start = time.process_time()
    while time.process_time() - start < 0.2:
        pass
    busy = usage.sample()
    assert idle < busy.cores / 2
    assert busy.given == torch.get_num_threads()


def test_cores_are_counted_since_the_last_sample():
    usage = Usage()
    start = time.process_time()
    while time.process_time() - start < 0.2:
        pass
    busy = usage.sample().cores
    time.sleep(0.2)
    assert usage.sample().cores < busy / 2


MEMORY = """
import mmap, sys
from orchestration.trial.usage import own_memory

before = own_memory()
with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
assert sum(mapped[i] for i in range(0, len(mapped), 4096)) == 0
print(own_memory() - before)
held = b"1" * 200_000_000
print(own_memory() - before)
"""


def test_own_memory_counts_what_is_allocated_and_not_what_is_mapped(tmp_path: Path):
    path = tmp_path / "features"
    path.write_bytes(bytes(100 * MB))
    # In a process of its own: here, earlier tests' memory may be given back meanwhile.
    command = [sys.executable, "-c", MEMORY, str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=TOP)
    mapped, allocated = map(int, told.stdout.split())
    assert mapped < 50 * MB
    assert 150 * MB < allocated < 300 * MB


def test_a_machine_has_more_memory_than_this_process():
    assert own_memory() < host_memory()


def test_a_gpu_is_told_by_what_torch_holds_and_by_what_all_use(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (30, 80))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 10)
    known = SimpleNamespace(name="H200", uuid="abc")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: known)
    load = Usage().sample()
    assert (load.gpu, load.gpu_memory, load.gpu_used, load.gpu_total) == ("H200 abc", 10, 50, 80)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_real_gpu_s_memory_is_told():
    held = torch.zeros(100 * MB, dtype=torch.uint8, device="cuda")
    load = Usage().sample()
    assert load.gpu and held.numel() <= load.gpu_memory <= load.gpu_used <= load.gpu_total


def loads(root: Root, plan: Plan, notes: int) -> int:
    """How often a trial tells its load that writes so many events in no time."""
    trial = plan.trials[0]
    path = root.study("small").events(trial.key)
    log = AttemptLog(EventLog(path).add)
    for _ in range(notes):
        log.waits("base")
    return sum(event.load is not None for event in read_events(path))


def test_load_is_told_no_more_often_than_its_period(
    root: Root, plan: Plan, monkeypatch: pytest.MonkeyPatch
):
    assert loads(root, plan, 20) == 0
    monkeypatch.setattr(attempt_logs, "PERIOD", 0.0)
    assert loads(root, plan, 20) == 20


def test_load_is_told_at_the_end_of_a_stage_that_took_a_while(
    root: Root, plan: Plan, monkeypatch: pytest.MonkeyPatch
):
    trial = plan.trials[0]
    path = root.study("small").events(trial.key)
    log = AttemptLog(EventLog(path).add)
    for shortest in (60.0, 0.0):
        monkeypatch.setattr(attempt_logs, "SHORTEST", shortest)
        log.begin(StageRef("features", "bottle"))
        log.end(StageRef("features", "bottle"))
    told = [event.load is not None for event in read_events(path)]
    assert told == [False, False, False, True]
