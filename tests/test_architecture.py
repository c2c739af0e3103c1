"""Promises about the house itself: what may be imported by what, and by how much."""

import subprocess
import sys
from pathlib import Path

import pytest

from moleflow import profiles
from moleflow.config import Config

TOP = Path(__file__).resolve().parent.parent
PACKAGES = ("moleflow", "orchestration", "search_spaces", "reports")


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import search_spaces.task_order, search_spaces.quickstart, orchestration.study",
        "import orchestration.cli",
        "import reports.task_order",
    ],
)
def test_studies_the_command_line_and_reports_load_neither_torch_nor_ray_nor_mlflow(
    statement: str,
) -> None:
    assert not {"torch", "timm", "ray", "mlflow"} & modules_after(statement)


@pytest.mark.parametrize(("library", "home"), [("ray", "ray_tune.py"), ("mlflow", "mlflow.py")])
def test_one_file_imports_ray_and_one_mlflow(library: str, home: str) -> None:
    files = [path for package in PACKAGES for path in (TOP / package).rglob("*.py")]
    starts = (f"import {library}", f"from {library}")
    importing = {
        path.name
        for path in files
        for line in path.read_text().splitlines()
        if line.strip().startswith(starts) and line.split()[1].split(".")[0] == library
    }
    assert importing == {home}


@pytest.mark.parametrize("name", sorted(profiles.PROFILES))
def test_a_profile_survives_its_file(name: str) -> None:
    config = profiles.profile(name)
    assert Config.model_validate_json(config.model_dump_json()) == config


def test_commands_of_the_readme_are_make_targets() -> None:
    readme, makefile = (TOP / "README.md").read_text(), (TOP / "Makefile").read_text()
    for target in ("quickstart", "test", "check"):
        assert f"make {target}" in readme
        assert f"\n{target}:" in makefile
