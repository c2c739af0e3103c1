"""Freed memory is used again, without a page fault."""

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

FAULTS = """
import resource, sys
import torch
from moleflow.device import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(12_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(min(faults() for _ in range(10)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_a_large_tensors_memory_is_kept_for_the_next_one() -> None:
    found = {}
    for mode in ("keep", "give back"):
        run = [sys.executable, "-c", FAULTS, mode]
        found[mode] = int(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
    assert found["keep"] < 100
    assert found["give back"] > 1000, "nothing was to be kept: nothing was compared"
