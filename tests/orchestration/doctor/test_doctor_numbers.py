"""The doctor has GPUs compute a few steps, and says where they are not the processor's."""

import json
import math
from itertools import islice
from pathlib import Path

import pytest

from moleflow.training import agreement
from moleflow.training.agreement import Deviation
from orchestration.doctor import checks
from orchestration.doctor.checks import judge_numbers
from orchestration.doctor.machine import Gpu, Torch
from orchestration.doctor.numbers import GpuNumbers, Steps, ask_numbers, look_at_numbers
from orchestration.records.layout import Root

FLOAT32 = Steps(
    precision="float32", log_p=2e-7, gradient=4e-5, moves=1e-3, sound=True, repeated=True
)
BFLOAT16 = FLOAT32.model_copy(update={"precision": "bfloat16", "gradient": 0.07})
SOUND = GpuNumbers(gpu="NVIDIA H200 (cuda:0)", steps=(FLOAT32, BFLOAT16))


def changed(**changes: object) -> GpuNumbers:
    """The sound GPU, with its second precision changed."""
    return SOUND.model_copy(update={"steps": (FLOAT32, BFLOAT16.model_copy(update=changes))})


@pytest.mark.slow
def test_the_processor_stands_for_a_gpu_and_deviates_in_bfloat16_alone(
    monkeypatch: pytest.MonkeyPatch,
):
    (found,) = look_at_numbers(["cpu"])
    assert [(s.precision, s.sound, s.repeated) for s in found.steps] == [
        ("float32", True, True),
        ("bfloat16", True, True),
    ]
    assert (found.steps[0].gradient, found.steps[1].gradient > 0) == (0, True)
    limits = agreement.LIMITS | {"bfloat16": Deviation(0.0, 0.0, 0.0)}
    monkeypatch.setattr(agreement, "LIMITS", limits)
    (found,) = look_at_numbers(["cpu"])
    assert [steps.sound for steps in found.steps] == [True, False]


@pytest.mark.parametrize(
    ("one", "state", "said"),
    [
        (SOUND, "ok", "gradients 7e-02, moves 1e-03 in bfloat16; the same bits each time"),
        (changed(sound=False), "problem", "gradients 7e-02, moves 1e-03 in bfloat16"),
        (changed(sound=False, log_p=math.nan), "problem", "log-likelihoods nan"),
        (changed(repeated=False), "problem", "other bits the second time in bfloat16"),
        (SOUND.model_copy(update={"trouble": "no kernel"}), "problem", "no kernel"),
        (SOUND.model_copy(update={"note": "not captured"}), "warning", "not captured"),
    ],
)
def test_a_gpu_is_judged_by_its_steps(one: GpuNumbers, state: str, said: str):
    found = judge_numbers({one.gpu: one})
    assert (found.state, said in found.found) == (state, True)
    assert bool(found.remedy) == (state != "ok")
    assert state == "ok" or one.gpu in found.found


@pytest.mark.slow
def test_a_machine_without_gpus_has_no_such_numbers():
    assert ask_numbers() == ()


def test_what_is_not_a_number_stays_so_on_its_way(monkeypatch: pytest.MonkeyPatch):
    from orchestration.doctor import numbers

    sent = changed(log_p=math.nan, sound=False).model_dump(mode="json")
    monkeypatch.setattr(numbers, "ask", lambda *a, **k: json.dumps([sent]))
    assert math.isnan(ask_numbers()[0].steps[1].log_p)


def test_gpus_of_this_machine_are_looked_at_where_there_are_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    gpu = Gpu(name="NVIDIA H200", memory=141 * 10**9, kind="cuda:sm_90")
    monkeypatch.setattr(checks, "ask_torch", lambda: Torch(version="2.15.0", gpus=(gpu,)))
    monkeypatch.setattr(checks, "ask_numbers", lambda: (SOUND,))
    names = [
        one.name for one in islice(checks.examine_machine(Root(tmp_path), None, None, None), 4)
    ]
    assert names == ["python", "packages", "torch", "numbers"]


def test_a_node_that_does_not_answer_is_told_beside_wrong_gpus(monkeypatch: pytest.MonkeyPatch):
    from orchestration.cluster.nodes import Answer
    from orchestration.doctor import cluster

    answers = {
        "a": Answer((SOUND,)),
        "b": Answer((changed(repeated=False),)),
        "c": Answer(None, "no answer within 360 s"),
        "d": Answer(()),
    }
    monkeypatch.setattr(cluster, "on_every_node", lambda *a, **k: answers)
    found = cluster.judge_gpu_numbers()
    assert (found.name, found.state) == ("numbers on nodes", "problem")
    assert "b NVIDIA H200 (cuda:0): other bits" in found.found
    assert "c: no answer within 360 s" in found.found
    assert "a NVIDIA" not in found.found
