"""Our GPU kernels compute what plain PyTorch does, by Triton's interpreter, and compile."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from moleflow.kernels.launch import has_triton

TOP = Path(__file__).parents[2]
LIMITS = {"base in bfloat16": 0.05}
EXACT = 1e-5

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not has_triton(), reason="needs Triton")]


def printed(module: str, **environment: str) -> Any:
    """In a process of its own: Triton looks at the environment, and for a GPU, only once."""
    run = subprocess.run(
        [sys.executable, "-m", f"tests.kernels.{module}"],
        cwd=TOP,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.soak
def test_kernels_give_plain_pytorchs_values_gradients_and_steps() -> None:
    by_case = printed("interpreted", TRITON_INTERPRET="1")
    optimizers = by_case.pop("optimizers")
    assert len(optimizers) == 4 and max(optimizers.values()) <= 1e-6
    for case, found in by_case.items():
        assert len(found) > 20
        worst = max(found, key=lambda name: found[name])
        assert found[worst] <= LIMITS.get(case, EXACT), (case, worst)


@pytest.mark.soak
def test_all_kernels_are_compiled_before_the_first_of_them_runs(tmp_path: Path) -> None:
    for found in printed("compiled", TRITON_CACHE_DIR=str(tmp_path)).values():
        ahead, after = found["ahead"], found["after"]
        assert ahead["ran"] == {} and ahead["loaded"] == ahead["compiled"]
        assert min(ahead["compiled"].values()) > 0
        assert set(after["ran"]) == set(ahead["compiled"])
        assert after["compiled"] == ahead["compiled"] and after["loaded"] == ahead["loaded"]
