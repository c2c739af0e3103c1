"""A process may use fewer CPUs than there are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.cluster.allowance import allowed_cpus

ASK = "from orchestration.cluster.allowance import allowed_cpus; print(allowed_cpus())"
HERE = len(os.sched_getaffinity(0))
V1 = Path("/sys/fs/cgroup/cpu")


def tree(top: Path, groups: str, **files: str) -> Path:
    (top / "proc/self").mkdir(parents=True)
    (top / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = top / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return top


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))


@pytest.mark.parametrize(
    ("groups", "files", "allowed"),
    [
        ("", {}, 64),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/\n", {"cpu.max": "350000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        (
            "0::/slice/job\n",
            {"slice/cpu.max": "400000 100000\n", "slice/job/cpu.max": "max 100000\n"},
            4,
        ),
        (
            "0::/slice/job\n",
            {"slice/cpu.max": "400000 100000\n", "slice/job/cpu.max": "200000 100000\n"},
            2,
        ),
        # A container without a name space of its own: `/proc` has the host's path.
        ("0::/docker/abc\n", {"cpu.max": "200000 100000\n"}, 2),
        (
            "4:cpu,cpuacct:/docker/abc\n",
            {"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            2,
        ),
        (
            "4:cpuacct,cpu:/job\n",
            {
                "cpu,cpuacct/job/cpu.cfs_quota_us": "800000\n",
                "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            },
            8,
        ),
        (
            "4:cpu:/job\n",
            {"cpu/job/cpu.cfs_quota_us": "-1\n", "cpu/job/cpu.cfs_period_us": "100000\n"},
            64,
        ),
        # Another kind's group says nothing of CPUs.
        (
            "4:memory:/job\n",
            {"cpu/job/cpu.cfs_quota_us": "100000\n", "cpu/job/cpu.cfs_period_us": "100000\n"},
            64,
        ),
    ],
)
def test_a_quota_of_a_group_or_of_one_that_holds_it_counts(
    groups: str, files: dict[str, str], allowed: int, tmp_path: Path, many: None
) -> None:
    assert allowed_cpus(tree(tmp_path, groups, **files)) == allowed


@pytest.mark.skipif(HERE < 2, reason="one CPU only")
def test_the_affinity_mask_counts() -> None:
    command = ["taskset", "-c", str(min(os.sched_getaffinity(0))), sys.executable, "-c", ASK]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n"


@pytest.mark.skipif(HERE < 2 or not os.access(V1, os.W_OK), reason="needs groups to write to")
def test_a_real_quota_counts() -> None:
    group = V1 / f"moleflow-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / "cpu.cfs_quota_us").write_text("100000")
        join = f"open({str(group / 'tasks')!r}, 'w').write('0'); {ASK}"
        command = [sys.executable, "-c", join]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n"
    finally:
        group.rmdir()
