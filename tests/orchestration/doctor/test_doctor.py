"""The doctor finds what is wrong and says what to do."""

import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestration.doctor import checks as doctor
from orchestration.doctor import machine
from orchestration.doctor.checks import Finding, examine_machine
from orchestration.doctor.machine import Gpu, Machine, Torch
from orchestration.records.layout import ROOT_FORMAT, Root

GB = 10**9
H200 = Gpu(name="NVIDIA H200", memory=141 * GB, kind="cuda:sm_90")
TORCH = Torch(version="2.15.0", cuda="13.2", cpu="cpu:avx512", gpus=(H200,), driver=True)
NODE = Machine({"python": "3.11.7", "torch": "2.15.0"}, TORCH, scratch=0.5)


def states(findings: Iterator[Finding]) -> dict[str, str]:
    return {one.name: one.state for one in findings}


@pytest.mark.slow
def test_a_sound_machine_has_no_problem_and_is_left_as_it_was(tmp_path: Path):
    found = states(examine_machine(Root(tmp_path / "a" / "b"), None, None, None))
    assert "problem" not in found.values()
    assert list(found) == [
        "python",
        "packages",
        "torch",
        "ray",
        "cpus",
        "open files",
        "/dev/shm",
        "disk",
        "root",
        "mlflow",
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ({}, "ok", "NVIDIA H200 141 GB (cuda:sm_90)"),
        ({"gpus": (), "driver": False}, "ok", "no GPU"),
        ({"gpus": (), "complaint": "driver is too old"}, "problem", "driver is too old"),
        ({"gpus": (), "cuda": ""}, "warning", "has no CUDA"),
        ({"version": "", "complaint": "libcudart.so: cannot open"}, "problem", "libcudart"),
    ],
)
def test_torch_is_judged_by_what_it_uses_of_what_is_there(
    changes: Mapping[str, Any], state: str, said: str
):
    found = doctor.judge_torch(TORCH.model_copy(update=changes))
    assert (found.state, said in found.found) == (state, True)
    assert bool(found.remedy) == (state != "ok")


def test_a_missing_and_an_old_package_are_named(monkeypatch: pytest.MonkeyPatch):
    asked = ["numpy>=999", "no-such-package>=1", "pytest>=999; extra == 'dev'", "pydantic>=2"]
    monkeypatch.setattr(doctor, "requires", lambda name: asked)
    found = doctor.judge_packages()
    assert found.state == "problem"
    assert re.fullmatch(r"numpy is \S+, needed is >=999; no-such-package is missing", found.found)


@pytest.mark.parametrize(
    ("judge", "amounts"),
    [
        (doctor.judge_disk, {"problem": GB // 2, "warning": 19 * GB, "ok": 21 * GB}),
        (doctor.judge_files, {"warning": 1024, "ok": -1}),
        (doctor.judge_shared_memory, {"warning": 64 * 2**20, "ok": 4 * GB}),
    ],
)
def test_too_little_is_told(judge: Callable[[int], Finding], amounts: Mapping[str, int]):
    assert {state: judge(amount).state for state, amount in amounts.items()} == {
        state: state for state in amounts
    }


def test_a_file_system_without_hard_links_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(machine.os, "link", refuse)
    _, found = doctor.judge_root(Root(tmp_path))
    assert found.state == "problem"
    assert "no hard links (Operation not supported)" in found.found


def test_a_root_of_another_format_is_a_problem(tmp_path: Path):
    (tmp_path / "root.json").write_text(json.dumps({"format": ROOT_FORMAT + 1}))
    assert states(doctor.judge_root(Root(tmp_path)))["root"] == "problem"


@pytest.mark.slow
def test_data_that_is_none_and_a_server_that_is_away_are_problems(tmp_path: Path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://user:secret@127.0.0.1:{unused.getsockname()[1]}"
        found = list(doctor.examine_tracking(Root(tmp_path), uri))
    assert [one.state for one in found] == ["problem"]
    assert "secret" not in found[0].found
    assert doctor.judge_data(tmp_path).state == "problem"


def test_a_store_is_written_and_read_back_and_left_empty(tmp_path: Path):
    (tmp_path / "far").mkdir()
    assert doctor.judge_store(f"local://{tmp_path}/far").state == "ok"
    assert [path for path in (tmp_path / "far").rglob("*") if path.is_file()] == []
    assert doctor.judge_store("s3://nothing?region=x&scheme=no").state == "problem"


def test_every_way_in_which_nodes_differ_is_told_with_the_node():
    from orchestration.cluster.nodes import Answer, Node
    from orchestration.doctor import cluster

    old = replace(NODE, versions={"python": "3.11.7", "torch": "2.6.0"})
    small = replace(NODE, torch=TORCH.model_copy(update={"gpus": ()}), scratch=0.01)
    a100 = TORCH.model_copy(update={"gpus": (H200.model_copy(update={"kind": "cuda:sm_80"}),)})
    nodes = [Node(id=n, name=n, resources={"GPU": 1.0}, alive=True) for n in ("a", "b")]

    def both(other: Machine) -> dict[str, Machine]:
        return {"a": NODE, "b": other}

    found = [
        cluster.judge_versions(NODE.versions, both(old)),
        cluster.judge_gpus(nodes, both(small)),
        cluster.judge_kinds(both(replace(NODE, torch=a100))),
        cluster.judge_scratch(both(small)),
        cluster.judge_clocks(100.0, {"a": 100.5, "b": 120.0}, 101.0),
        cluster.judge_sameness(
            Path("/d"), {"x": "1"}, {"a": Answer({"x": "1"}), "b": Answer({"x": "2"})}, ""
        ),
        cluster.judge_count(nodes, 3),
        *cluster.judge_answers({"a": Answer(NODE), "b": Answer(None, "no answer within 60 s")}),
    ]
    assert [one.state for one in found] == [
        "problem",
        "warning",
        "warning",
        "problem",
        "warning",
        "problem",
        "problem",
        "problem",
    ]
    assert all(one.remedy for one in found)
    told = [one.found for one in found]
    assert told[0] == "1 of 2 nodes: b: torch 2.6.0 (here 2.15.0)"
    assert told[1] == "1 of 2 nodes: b: Ray gives away 1, torch sees 0"
    assert told[4] == "1 of 2 nodes: b: 19 s off"
    assert told[5] == "/d: 1 of 2 nodes: b: differs in x"
    assert told[7] == "1 of 2 nodes: b: no answer within 60 s"
    same = {"a": NODE, "b": NODE}
    assert cluster.judge_versions(NODE.versions, same).state == "ok"
    assert cluster.judge_gpus(nodes, same).state == cluster.judge_kinds(same).state == "ok"
