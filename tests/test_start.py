"""How a command begins and ends, whatever happens: exit codes, one line, no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from moleflow_start import packages
from orchestration import cli
from orchestration.commands.last_net import PIPE_CLOSED, UNEXPECTED
from orchestration.records.layout import Root

pytestmark = pytest.mark.slow

LONG = "x" * 300
"""Longer than any file system takes."""
START = "import moleflow_start; moleflow_start.main()"


def command(
    *words: str, before: str = "", shell: str = '"$@"', **variables: str
) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own.

    Args:
        before: Python that comes first.
        shell: how it is started.
    """
    code = f"import sys; sys.argv = ['moleflow', *{words!r}]\n{before}\n{START}"
    return subprocess.run(
        ["bash", "-c", shell, "bash", sys.executable, "-P", "-c", code],
        cwd="/",
        capture_output=True,
        text=True,
        env=os.environ | variables,
        check=False,
    )


FAIL = "raise LookupError('postgresql://bob:secret@host/db is odd')"


def with_body(body: str) -> str:
    """`moleflow studies` does something else."""
    return (
        "import orchestration.commands.studies as place\n"
        f"def studies(*, root: str = 'runs') -> int:\n    {body}\n    return 0\n"
        "place.studies = studies"
    )


def test_what_nobody_expected_has_a_code_of_its_own_a_line_and_a_file(tmp_path: Path) -> None:
    root = Root.at(tmp_path / "root")
    root.claim()
    ran = command("studies", "--root", str(root.path), before=with_body(FAIL))
    (kept,) = root.crashes.iterdir()
    assert ran.returncode == UNEXPECTED and ran.stdout == ""
    first, second = ran.stderr.splitlines()
    assert first == "error: LookupError: postgresql://bob:***@host/db is odd"
    assert "report it" in second and str(kept) in second
    assert "Traceback" in kept.read_text() and "secret" not in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


def test_what_the_system_refuses_is_told_by_place_and_reason(tmp_path: Path) -> None:
    ran = command("studies", before=with_body("open('/etc')"), TMPDIR=str(tmp_path))
    assert ran.returncode == UNEXPECTED
    assert ran.stderr.startswith("error: /etc: Is a directory\nmend it")


def test_where_no_root_folder_is_the_traceback_lies_in_a_temporary_one(tmp_path: Path) -> None:
    ran = command("studies", before=with_body(FAIL), TMPDIR=str(tmp_path))
    (kept,) = tmp_path.glob("moleflow-*.txt")
    assert ran.returncode == UNEXPECTED and str(kept) in ran.stderr


def test_a_root_folder_that_may_not_be_looked_at_hides_no_error(tmp_path: Path) -> None:
    ran = command("studies", "--root", LONG, before=with_body(FAIL), TMPDIR=str(tmp_path))
    assert ran.returncode == UNEXPECTED and "LookupError" in ran.stderr


def test_a_thread_that_dies_says_so_in_the_same_way(tmp_path: Path) -> None:
    body = f"def fails():\n        {FAIL}\n    import threading\n    thread = "
    body += "threading.Thread(target=fails)\n    thread.start()\n    thread.join()"
    ran = command("studies", before=with_body(body), TMPDIR=str(tmp_path))
    assert ran.returncode == 0 and "LookupError" in ran.stderr
    assert "Traceback" not in ran.stderr and len(list(tmp_path.glob("moleflow-*.txt"))) == 1


@pytest.mark.parametrize(("level", "code"), [("1", 0), ("2", 2)])
def test_a_python_without_docstrings_is_refused_with_the_remedy(level: str, code: int) -> None:
    ran = command("studies", PYTHONOPTIMIZE=level)
    assert ran.returncode == code
    assert ("unset PYTHONOPTIMIZE" in ran.stderr) == (code == 2)


@pytest.mark.parametrize("words", [("--help",), ("studies",)])
def test_a_reader_that_has_gone_ends_a_command_silently(words: tuple[str, ...]) -> None:
    ran = command(*words, shell='{ "$@"; echo $? >&2; } | true')
    assert ran.stderr.splitlines() == [str(PIPE_CLOSED)]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_end_no_command(closed: str) -> None:
    ran = command("studies", shell=f'"$@" {closed}')
    assert ran.returncode == 0 and ran.stderr == ""
    assert ("quickstart" in ran.stdout) == (">&-" not in closed.replace("2>&-", ""))


@pytest.mark.parametrize("words", [("--help",), ("studies",)])
def test_a_full_disk_behind_the_output_is_told_and_is_no_crash(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    ran = command(*words, shell='"$@" > /dev/full', TMPDIR=str(tmp_path))
    assert ran.returncode == PIPE_CLOSED
    assert ran.stderr.startswith("error: standard output cannot be written (No space left")
    assert not any(tmp_path.iterdir())


LASTS = """from orchestration.commands.consoles import err, out
    out.outlive()
    out.print('one')
    out.print('two')
    err.print('still there')
    return 141 if out.lost else 0"""


@pytest.mark.parametrize("full", ["> /dev/full", ">&3", "2> /dev/full"])
def test_what_works_for_others_goes_on_when_nothing_more_can_be_said(full: str) -> None:
    """As a study does; and messages that nobody can read end nothing."""
    gone = "exec 3> >(true); wait $!"  # a pipe whose reader has ended
    ran = command("studies", before=with_body(LASTS), shell=f'{gone}; "$@" {full}')
    assert ran.returncode == (0 if "2>" in full else PIPE_CLOSED)
    assert ("still there" in ran.stderr) == ("2>" not in full)
    assert ran.stderr.count("standard output cannot be written") == (full == "> /dev/full")


def test_an_encoding_that_lacks_a_letter_ends_no_command(tmp_path: Path) -> None:
    ran = command("data", "check", "Schlüssel→", PYTHONIOENCODING="ascii")
    assert ran.returncode == 2 and "Schl\\xfcssel\\u2192" in ran.stdout + ran.stderr


@pytest.mark.parametrize("name", packages.PACKAGES)
@pytest.mark.parametrize("kind", ["{}.py", "{}/__init__.py"])
def test_a_module_that_hides_a_package_of_ours_is_named_at_the_start(
    name: str, kind: str, tmp_path: Path
) -> None:
    culprit = tmp_path / kind.format(name)
    culprit.parent.mkdir(exist_ok=True)
    culprit.write_text("")
    (found,) = packages.hiding([str(tmp_path), *sys.path])
    assert found[:2] == (name, str(tmp_path / kind.format(name).removesuffix("/__init__.py")))


def test_a_command_does_not_begin_with_such_a_module(tmp_path: Path) -> None:
    (tmp_path / "orchestration.py").write_text("")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    ran = command("studies", PYTHONPATH=path)
    assert ran.returncode == 2 and "Traceback" not in ran.stderr
    assert str(tmp_path / "orchestration.py") in ran.stderr and "rename it" in ran.stderr


def test_a_folder_that_is_no_package_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    assert list(packages.hiding([str(tmp_path), *sys.path])) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("store", "ls", "--store", "s3://[::1/x"), "s3://[::1/x: not an address"),
        (("store", "ls", "--store", "file://[x"), "file://[x: not an address"),
        (("store", "ls", "--store", "file://host/x"), "write file:///PATH"),
        (("ui", "--port", "70000"), "--port 70000: give a number from 1 to 65535"),
        (("ui", "--port", "0"), "--port 0: give"),
        (
            ("store", "ls", "--root", "/no/where"),
            "/no/where: there is no such folder; is --root right?",
        ),
        (("store", "gc", "--root", "/no/where"), "is --root right?"),
        (("register", "x", "--name", "a", "--alias", "v1"), "--alias v1: MLflow keeps this one"),
        (("register", "x", "--name", "a", "--alias", "Latest"), "--alias Latest: MLflow keeps"),
        (("register", "x", "--name", "a", "--alias", "a.b"), "--alias 'a.b': use letters"),
        (("status", "x", "--root", "/dev/null"), "/dev/null: is no folder"),
        (("stop", "x", "--root", "/dev/null"), "/dev/null: is no folder"),
        (("stop", "../x"), "study name '../x'"),
        (("run", "task_order", "--mlflow-uri", "http://[::1/x"), "http://[::1/x: not a URI"),
        (("run", "task_order", "--store", "s3://[x"), "s3://[x: not an address"),
        (("run", "task_order", "--store", "foo://x"), "no protocol 'foo'"),
        (("status", ""), "nothing stands behind status: is a variable of the shell not set?"),
        (("run", "grid", "--profile", "", "--orders", "2"), "nothing stands behind --profile"),
        (("report", "x", "--against="), "nothing stands behind --against"),
        (("",), "nothing stands behind the command"),
        (("plan", "grid", "--name=-x"), "study name '-x': begins like an option"),
        (
            ("plan", "grid", "--name", "x" * 101),
            "study name xxxxxxxxxxxxxxxxxxxx…: has 101 letters",
        ),
        (("plan", "grid", "--data", LONG), "cannot be looked at (File name too long)"),
        (("run", LONG), "File name too long; give a shorter one"),
        (("status", "x", "--root", LONG), "File name too long; give a shorter one"),
    ],
)
def test_what_is_malformed_is_refused_with_its_name(
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = () if "--root" in words else ("--root", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["moleflow", *words, *root])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    assert ended.value.code == 2 and said in told.out + told.err, told


def test_names_of_files_that_would_not_be_read_as_utf_8_are_refused() -> None:
    ran = command("studies", PYTHONUTF8="0", LC_ALL="C", PYTHONCOERCECLOCALE="0")
    assert ran.returncode == 2 and ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert "as ascii, not as UTF-8" in line and "PYTHONUTF8=1" in line


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "1"}])
def test_a_plain_locale_alone_is_no_hindrance(tmp_path: Path, variables: dict[str, str]) -> None:
    root = Root.at(tmp_path / "é")
    root.claim()
    ran = command("status", "none", "--root", str(root.path), **variables)
    assert ran.returncode == 2 and "UTF-8" not in ran.stderr and "none" in ran.stderr


def test_words_between_colons_are_no_pictures_and_a_terminal_of_no_width_is_told_all(
    tmp_path: Path,
) -> None:
    ran = command("data", "check", f"{tmp_path}/:x:", COLUMNS="0")
    assert f"{tmp_path}/:x:" in ran.stderr


def test_importing_timm_leaves_no_folder_of_a_compiler(tmp_path: Path) -> None:
    code = "from moleflow.features import backbone; backbone._timm(); import torch._inductor"
    environment = {k: v for k, v in os.environ.items() if k != "TORCHINDUCTOR_CACHE_DIR"}
    environment["TMPDIR"] = str(tmp_path)
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def test_warnings_that_an_environment_makes_errors_end_no_command_and_reach_no_child() -> None:
    """A library's, and one of a process that the command starts."""
    child = "import warnings; warnings.warn('old', DeprecationWarning); print('whole')"
    body = (
        f"{child.replace('whole', 'here')}; import subprocess, sys; "
        f"subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    )
    ran = command("studies", before=with_body(body), PYTHONWARNINGS="error")
    assert (ran.returncode, sorted(ran.stdout.split())) == (0, ["here", "whole"]), ran.stderr
