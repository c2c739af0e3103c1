"""A store, a tracking database or a machine that no trial could use refuses a study before anything
starts."""

import socket
from pathlib import Path

import pytest

from moleflow.errors import StoreError
from orchestration.driver.reach import check_store
from orchestration.records.layout import Root
from tests.orchestration.records.damaged_root import SMALL, call, make_pictures

pytestmark = pytest.mark.slow


@pytest.fixture
def refusing() -> str:
    """An address at which nothing answers."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    return f"s3://bucket/x?endpoint_override=127.0.0.1:{port}&scheme=http"


def test_a_study_whose_store_or_database_cannot_be_used_leaves_nothing(
    tmp_path: Path, refusing: str
) -> None:
    data, root = make_pictures(tmp_path / "data"), tmp_path / "root"
    (tmp_path / "file").touch()
    for option, where, why in (
        ("--store", refusing, "cannot be reached"),
        ("--store", str(tmp_path / "file" / "below"), "is no folder"),
        ("--mlflow-uri", "postgresql+nosuch://host/db", "install the driver"),
    ):
        code, said = call(
            *("run", "task_order", "--data", data, *SMALL, "--root", root, option, where)
        )
        assert (code, why in said) == (2, True), said
        assert "checking the backbone" not in said and not root.exists()


def test_a_gpu_that_this_machine_has_not_refuses_a_first_study_before_pictures_are_read(
    tmp_path: Path,
) -> None:
    data, root = make_pictures(tmp_path / "data"), tmp_path / "root"
    small = ["ray_tune" if word == "inline" else word for word in SMALL]
    asked = ("run", "task_order", "--data", data, *small, "--gpus-per-trial", "64")
    code, said = call(*asked, "--root", root)
    assert (code, "a trial asks for 1 CPUs, 64 GPUs" in said) == (2, True), said
    assert "checking" not in said and not root.exists()


def test_what_other_machines_may_reach_is_told_and_not_refused(
    tmp_path: Path, refusing: str
) -> None:
    said: list[str] = []
    root = Root.at(tmp_path)
    check_store(refusing, root, said.append, said.append, elsewhere=True)
    assert said[0].startswith("checking the store s3://") and "as seen from here" in said[1]
    with pytest.raises(StoreError):
        check_store(refusing, root, said.append, said.append)
    check_store(str(tmp_path / "new" / "folder"), root, said.append, said.append)
    assert len(said) == 3 and not any(tmp_path.iterdir())
