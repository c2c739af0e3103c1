"""What code a study ran with, where no commit has it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from orchestration.records import revision
from orchestration.records.layout import StudyFolder
from orchestration.records.revision import git_revision, keep_changes, this_moleflow

SECRET = "hf_abcdefghijklmnopqrst"


def git(place: Path, *words: str) -> None:
    named = ("-c", "user.name=ada", "-c", "user.email=ada@host", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(place), *named, *words], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Our code, as a person has it."""
    top = tmp_path / "checkout"
    (top / "moleflow").mkdir(parents=True)
    (top / "moleflow" / "flow.py").write_text("scale = 1\n")
    (top / "notes.txt").write_text("nothing\n")
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-q", "-m", "first")
    monkeypatch.setattr(revision, "TOP", top)
    return top


def kept(folder: StudyFolder) -> dict[str, str]:
    return {path.stem: path.read_text() for path in folder.code.glob("*")}


def test_what_is_committed_is_named_by_its_revision_and_nothing_is_kept(checkout, tmp_path):
    (checkout / "notes.txt").write_text("no code\n")
    keep_changes(StudyFolder(tmp_path / "study"), "")
    assert len(git_revision()) == 40
    assert not kept(StudyFolder(tmp_path / "study"))


def test_changes_and_new_modules_are_kept_by_the_digest_that_the_revision_names(checkout, tmp_path):
    folder = StudyFolder(tmp_path / "study")
    names: list[str] = []
    for changed in ("flow.py", "new.py"):
        (checkout / "moleflow" / changed).write_text("scale = 2\n")
        keep_changes(folder, "")
        names.append(git_revision().partition("+changes-")[2])
    first, second = (kept(folder)[name] for name in names)
    assert "-scale = 1\n+scale = 2\n" in first and "new.py" not in first
    assert "+++ b/moleflow/new.py\n" in second and "-scale = 1\n+scale = 2\n" in second


def test_a_study_of_ones_own_is_kept_with_the_changes_around_it(checkout, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "helper.py").write_text("x = 1\n")
    git(own, "init", "-q")
    git(own, "add", ".")
    git(own, "commit", "-q", "-m", "first")
    (own / "helper.py").write_text("x = 2\n")
    (own / "study.py").write_text("STUDY = 1\n")
    folder = StudyFolder(tmp_path / "study")
    keep_changes(folder, str(own / "study.py"))
    (text,) = kept(folder).values()
    assert "+x = 2\n" in text and "+STUDY = 1\n" in text


def test_a_study_that_no_repository_has_is_kept_whole(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "study.py").write_text("STUDY = 1\n")
    (tmp_path / "alone" / "other.py").write_text("other\n")
    keep_changes(StudyFolder(tmp_path / "study"), str(tmp_path / "alone" / "study.py"))
    (text,) = kept(StudyFolder(tmp_path / "study")).values()
    assert "+STUDY = 1\n" in text and "other" not in text


def test_secrets_are_not_kept_and_what_is_long_is_cut(checkout, tmp_path, monkeypatch):
    lines = [
        "uri = 'postgresql://ada:word@host/db'",
        f"x = '{SECRET}'",
        "{'api_key': 'open sesame'}",
        "password = 'open sesame'",
    ]
    (checkout / "moleflow" / "flow.py").write_text("\n".join(lines))
    folder = StudyFolder(tmp_path / "study")
    keep_changes(folder, "")
    (text,) = kept(folder).values()
    assert "ada:***@host" in text and text.count("***") == 4
    assert not [secret for secret in (":word@", SECRET, "sesame") if secret in text]
    monkeypatch.setattr(revision, "MOST", 100)
    keep_changes(folder, "")
    (text,) = kept(folder).values()
    assert len(text) < 150 and "(cut: " in text


def test_code_outside_of_a_checkout_has_no_revision(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setattr(revision, "TOP", tmp_path)
    keep_changes(StudyFolder(tmp_path / "study"), "")
    assert git_revision() == "unknown"
    assert not kept(StudyFolder(tmp_path / "study"))


def code_of(top: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """As a process says it that was started there."""
    monkeypatch.setattr(revision, "TOP", top)
    return this_moleflow.__wrapped__()


def test_the_same_code_is_called_the_same_wherever_it_lies_and_whatever_commit_has_it(
    checkout, tmp_path, monkeypatch
):
    installed = shutil.copytree(checkout, tmp_path / "site-packages")
    shutil.rmtree(installed / ".git")
    (installed / "moleflow" / "__pycache__").mkdir()
    (installed / "moleflow" / "__pycache__" / "flow.cpython-311.pyc").write_bytes(b"0")
    (checkout / "notes.txt").write_text("no code\n")
    git(checkout, "commit", "-q", "-a", "-m", "second")
    first = code_of(checkout, monkeypatch)
    assert first.startswith("moleflow ") and code_of(installed, monkeypatch) == first


@pytest.mark.parametrize(
    "name", ["moleflow/flow.py", "reports/page.html.j2", "orchestration/new.py"]
)
def test_other_code_is_called_otherwise(checkout, monkeypatch, name):
    before = code_of(checkout, monkeypatch)
    (checkout / name).parent.mkdir(exist_ok=True)
    (checkout / name).write_text("scale = 2\n")
    assert code_of(checkout, monkeypatch) != before


def test_a_page_is_of_the_same_version_after_a_change_of_the_audit_alone(checkout, monkeypatch):
    before = code_of(checkout, monkeypatch)
    (checkout / "reports" / "audit").mkdir(parents=True)
    (checkout / "reports" / "audit" / "page.py").write_text("scale = 2\n")
    assert code_of(checkout, monkeypatch) == before
    (checkout / "reports" / "auditing.py").write_text("scale = 2\n")
    assert code_of(checkout, monkeypatch) != before


def test_code_that_changed_places_is_other_code(checkout, monkeypatch):
    before = code_of(checkout, monkeypatch)
    (checkout / "moleflow" / "flow.py").rename(checkout / "moleflow" / "float.py")
    assert code_of(checkout, monkeypatch) != before
