"""The whole way on real photographs with trained weights: a short task-order study."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.commands.run import FINISHED
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger, Record

pytestmark = [pytest.mark.real, pytest.mark.cluster, pytest.mark.soak]
CLASSES = ("hazelnut", "cookie", "ball_screw")
ORDERS = ("hazelnut,cookie,ball_screw", "cookie,hazelnut,ball_screw")


@pytest.fixture(scope="module")
def records(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Two orders of three classes, one seed, 60 epochs, as Ray Tune trials of the command line."""
    root = tmp_path_factory.mktemp("real")
    arguments = ["run", "task_order", "--data", str(real_data / "data"), "--classes", *CLASSES]
    arguments += ["--profile", "quick", "--order", *ORDERS, "--seeds", "1", "--root", str(root)]
    arguments += ["--set", f"backbone.weights={real_data / 'weights' / 'resnet18.safetensors'}"]
    arguments += ["training.epochs=60"]
    # In a process of its own: where Ray loses one of its processes, a driver ends with all in it.
    command = [sys.executable, "-c", "from moleflow_start import main; main()", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == FINISHED, ran.stdout + ran.stderr
    assert (root / "studies" / "task_order" / "report" / "index.html").stat().st_size > 50_000
    return list(Ledger(Root.at(root).study("task_order")).records())


def final(records: list[Record], metric: str) -> list[float]:
    return [
        row.value
        for record in records
        for row in record.rows
        if (row.metric, row.definition, row.routing) == (metric, "final_mean", "routed")
    ]


def test_detection_is_far_above_chance(records: list[Record]) -> None:
    assert len(records) == 2
    assert min(final(records, "image_auroc")) >= 0.90
    assert min(final(records, "pixel_auroc")) >= 0.88


def test_routing_is_right(records: list[Record]) -> None:
    assert min(final(records, "routing_accuracy")) >= 0.99


def test_nothing_is_forgotten_under_the_true_task(records: list[Record]) -> None:
    rows = [row for record in records for row in record.rows if "transfer" in row.definition]
    assert {row.value for row in rows if row.routing == "oracle"} == {0.0}


def test_task_0_differs_between_the_orders(records: list[Record]) -> None:
    assert len({record.task0 for record in records}) == 2
    assert len({record.hashes["base"] for record in records}) == 2


def test_a_trial_stays_below_three_gibibytes(records: list[Record]) -> None:
    assert max(record.peak_memory for record in records) < 3 * 2**30
