"""Our GPU kernels compute what plain PyTorch does, by Triton's interpreter."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from moleflow.kernels.launch import has_triton
from tests.kernels.interpreted import CASES

TOP = Path(__file__).parents[2]
LIMITS = {"base in bfloat16": 0.05}
EXACT = 1e-5

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not has_triton(), reason="needs Triton")]


def interpreted(*cases: str) -> dict[str, dict[str, float]]:
    """In a process of its own: Triton reads TRITON_INTERPRET when it is imported."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.kernels.interpreted", *cases],
        cwd=TOP,
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.soak
def test_kernels_give_plain_pytorchs_values_and_gradients() -> None:
    for case, found in interpreted(*CASES).items():
        assert len(found) > 20
        worst = max(found, key=lambda name: found[name])
        assert found[worst] <= LIMITS.get(case, EXACT), (case, worst)
