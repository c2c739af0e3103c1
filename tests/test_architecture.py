"""Promises about the house itself: what may be imported by what, and by how much."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from cyclopts import App

from moleflow import profiles
from moleflow.config import Config
from orchestration import cli

TOP = Path(__file__).resolve().parent.parent
PACKAGES = ("moleflow", "orchestration", "search_spaces", "reports")


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    "statement",
    [
        "import search_spaces.task_order, search_spaces.quickstart, orchestration.studies.study",
        "import orchestration.cli",
        "import reports.writing, reports.kinds.task_order",
    ],
)
def test_studies_the_command_line_and_reports_load_neither_torch_nor_ray_nor_mlflow(
    statement: str,
) -> None:
    assert not {"torch", "timm", "ray", "mlflow"} & modules_after(statement)


def importing(library: str) -> dict[str, str]:
    """The lines by which files of the project import a library, or a part of it."""
    lines: dict[str, str] = {}
    for path in (path for package in PACKAGES for path in (TOP / package).rglob("*.py")):
        for line in map(str.strip, path.read_text().splitlines()):
            words = line.split()
            if words[:1] in (["import"], ["from"]) and f"{words[1]}.".startswith(f"{library}."):
                name = str(path.relative_to(TOP))
                lines[name] = lines.get(name, "") + line + "\n"
    return lines


def test_two_files_import_mlflow() -> None:
    files = [f"orchestration/tracking/mlflow/{name}.py" for name in ("connection", "runs")]
    assert [*importing("mlflow")] == files


def test_only_cluster_and_runners_import_ray_and_one_file_tune() -> None:
    found = importing("ray")
    assert {Path(name).parent.as_posix() for name in found} == {
        "orchestration/cluster",
        "orchestration/runners",
    }
    tune = {name for name, lines in found.items() if "tune" in lines}
    assert tune == {"orchestration/runners/ray_tune.py"}


HEAVY = {"torch", "timm", "ray", "mlflow", "pandas", "pyarrow", "scipy", "matplotlib", "sklearn"}
"""What takes a second or so to import."""


def modules_of(*lines: str) -> set[str]:
    """What a fresh interpreter has imported after these command lines."""
    return modules_after(f"""
import sys
from orchestration.cli import main
for line in {lines!r}:
    sys.argv = ["moleflow", *line.split()]
    try:
        main()
    except SystemExit:
        pass""")


@pytest.mark.slow
def test_the_list_of_commands_needs_none_of_their_files() -> None:
    found = modules_of("--help", "--version")
    assert not {*HEAVY, "numpy", "pydantic", "moleflow.config"} & found
    files = {place.partition(":")[0] for place, _ in cli.COMMANDS.values()}
    assert not files & found


@pytest.mark.slow
def test_the_help_of_commands_needs_nothing_heavy() -> None:
    assert not HEAVY & modules_of(*(f"{name} --help" for name in cli.COMMANDS))


@pytest.mark.slow
def test_what_looks_at_files_alone_or_refuses_needs_nothing_heavy(tmp_path: Path) -> None:
    asked = [f"{name} none --root {tmp_path}" for name in ("status", "stop", "logs", "run")]
    assert not HEAVY & modules_of(*asked, "studies", "data check /none")


@pytest.mark.slow
def test_what_reads_a_plan_needs_no_pictures(tmp_path: Path) -> None:
    found = modules_of(f"status none --root {tmp_path}")
    assert not {"PIL", "jaxtyping", "moleflow.data.catalog"} & found


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_the_list_of_commands_says_what_each_says_of_itself(name: str) -> None:
    place, summary = cli.COMMANDS[name]
    module, _, attribute = place.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    told = found.help if isinstance(found, App) else inspect.getdoc(found)
    assert told.partition("\n\n")[0] == summary


def python_commands() -> list[ast.List]:
    """Lists of arguments in our packages that begin with this Python."""
    return [
        node
        for package in PACKAGES
        for path in (TOP / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.List)
        and node.elts
        and ast.unparse(node.elts[0]) == "sys.executable"
    ]


@pytest.mark.slow
def test_no_python_that_is_started_imports_from_the_folder_that_it_is_in() -> None:
    found = python_commands()
    assert len(found) >= 3
    assert {ast.unparse(command.elts[1]) for command in found} == {"'-P'"}


@pytest.mark.parametrize("name", sorted(profiles.PROFILES))
def test_a_profile_survives_its_file(name: str) -> None:
    config = profiles.profile(name)
    assert Config.model_validate_json(config.model_dump_json()) == config


def test_commands_of_the_readme_are_make_targets() -> None:
    readme, makefile = (TOP / "README.md").read_text(), (TOP / "Makefile").read_text()
    for target in ("quickstart", "test", "check"):
        assert f"make {target}" in readme
        assert f"\n{target}:" in makefile
