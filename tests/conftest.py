"""Tests check shapes and types of `moleflow`: the hook must stand before its first import."""

import os
import secrets
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook
from threadpoolctl import threadpool_limits

# Several threads for a product of small matrices wait for each other, the more so the busier the
# machine is. NumPy is here already (pytest's plugins need it); others ask the environment.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
threadpool_limits(1)

install_import_hook("moleflow", "beartype.beartype")

import torch  # noqa: E402

from moleflow import profiles  # noqa: E402
from moleflow.config import Config  # noqa: E402
from orchestration.cluster.environment import quiet_environment  # noqa: E402
from orchestration.studies.terms import Resources  # noqa: E402
from orchestration.tracking import tracker as tracking  # noqa: E402

# How long an example takes says how busy the machine is, not whether a law holds.
settings.register_profile("laws", deadline=None)
settings.load_profile("laws")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """A shell has SIGINT ignored by what it starts in the background: so would all that tests
    start, and wait for ever for what they interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tests share two cores with a Ray cluster; and sums must not depend on the thread count."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with `data/` and `weights/`, named by MOLEFLOW_REAL_DATA."""
    named = os.environ.get("MOLEFLOW_REAL_DATA")
    if not named:
        pytest.skip("MOLEFLOW_REAL_DATA names no folder with data/ and weights/")
    return Path(named)


@pytest.fixture(scope="session")
def tiny() -> Config:
    """Every part of the method, as small as it goes."""
    return profiles.main().updated(
        {
            "image.size": 64,
            "backbone.name": "resnet18",
            "backbone.weights": "random",
            "patches.dim": 16,
            "patches.grid": "last",
            "flow.blocks": 2,
            "flow.context_kernel": 3,
            "flow.train_global_affine": True,
            "lora.rank": 2,
            "training.epochs": 4,
            "training.batch_size": 4,
            "training.lr": 2e-3,
            "scoring.smoothing": 1.0,
        }
    )


@pytest.fixture(scope="session", autouse=True)
def quiet_libraries() -> Iterator[None]:
    """What the CLI does before it imports Ray and MLflow; and a token for clusters that tests start
    in processes of their own. For all tests: which of them a process runs first is not known."""
    assert "ray" not in sys.modules, "a test file imports Ray before its environment is set"
    added = quiet_environment(Resources()) | tracking.quiet_environment()
    added |= {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    yield
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
