"""What lies in the folder that a person is in is never executed."""

import os
import sys
from pathlib import Path

import pytest

from moleflow.config import Config
from orchestration import cli
from orchestration.doctor.checks import examine_machine
from orchestration.driver.preflight import checking_beside
from orchestration.records.layout import Root
from tests.bait import lay_bait

pytestmark = pytest.mark.slow


@pytest.fixture
def executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the names of executed modules of the present folder would stand."""
    here, told = tmp_path / "here", tmp_path / "executed"
    here.mkdir()
    lay_bait(here)
    monkeypatch.chdir(here)
    monkeypatch.setenv("BAIT", str(told))
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    return told


def test_the_command_line_says_so_to_all_that_it_starts(
    executed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Config
) -> None:
    monkeypatch.setattr(sys, "argv", ["moleflow", "studies"])
    with pytest.raises(SystemExit):
        cli.main()
    assert os.environ["PYTHONSAFEPATH"] == "1"
    with checking_beside([tiny], Root(tmp_path / "root")) as check:
        assert check()
    assert not executed.exists()


def test_the_doctor_imports_what_is_installed(executed: Path, tmp_path: Path) -> None:
    found = {one.name: one.state for one in examine_machine(Root(tmp_path), None, None, None)}
    assert (found["torch"], found["ray"]) == ("ok", "ok")
    assert not executed.exists()
