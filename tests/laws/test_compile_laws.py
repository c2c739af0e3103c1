"""A compiled step is the plain step, and one graph.

In a process of its own: Dynamo cannot trace shape checks.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOLERANCE = 1e-4
"""Relative, of the losses of three epochs."""
SCRIPT = """
import json
import torch
from moleflow import profiles
from moleflow.model import MoLEFlow
from moleflow.streams import torch_stream
from moleflow.training.train import train_task

torch.set_num_threads(1)
small = {"patches.dim": 16, "flow.blocks": 1, "lora.rank": 2, "training.epochs": 3}
losses = []
compiled = torch.compile
used = []
torch.compile = lambda *args, **kwargs: used.append(1) or compiled(*args, **kwargs)
for compile in (False, True):
    config = profiles.main().updated({**small, "compute.compile": compile})
    model = MoLEFlow(config, (4, 4), 0, ("bottle",))
    model.new_bank(("bottle",))
    patches = torch.randn(5, 4, 4, 16, generator=torch_stream("patches"))
    losses.append([end.loss for end in train_task(model, ("cable",), [patches])])
breaks = sum(torch._dynamo.utils.counters["graph_break"].values())
print(json.dumps([losses, len(used), breaks]))
"""


@pytest.mark.soak
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_training_is_plain_training(tmp_path: Path) -> None:
    run = [sys.executable, "-c", SCRIPT]
    kept = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=kept)
    assert done.returncode == 0, done.stderr[-2000:]
    (plain, compiled), used, breaks = json.loads(done.stdout.splitlines()[-1])
    assert used == 1, "nothing was compiled: nothing was compared"
    assert breaks == 0, "what is not one graph is not fused"
    assert compiled == pytest.approx(plain, rel=TOLERANCE)
