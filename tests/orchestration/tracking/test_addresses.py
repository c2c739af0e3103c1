"""Addresses of tracking stores: what is no store is refused at once, and no password is shown."""

import shlex

import pytest

from moleflow.errors import StudyError
from orchestration.commands.options import tracking_uri
from orchestration.records.layout import Root
from orchestration.tracking.address import check_uri, safe_uri, ui_command


@pytest.mark.parametrize("uri", ["ftp://host/x", "file:///tmp/mlruns", "mlflow.db", "sqlite:x"])
def test_a_uri_of_no_tracking_store_is_refused_at_once(uri: str):
    with pytest.raises(StudyError, match="--mlflow-uri"):
        check_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "http://[::1/mlflow",
        "http://",
        "https://host:port/",
        "http://host:70000",
        "postgresql://bob:secret@host:port/db",
        "mysql://host:0/db",
        "postgresql://[::1/db",
    ],
)
def test_a_malformed_uri_is_refused_before_anyone_is_asked_and_without_its_password(uri: str):
    with pytest.raises(StudyError, match="not a URI") as error:
        check_uri(uri)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "uri",
    ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file::memory:?uri=true"],
)
def test_a_database_in_memory_is_no_store(uri: str):
    with pytest.raises(StudyError, match="a database in memory"):
        check_uri(uri)


@pytest.mark.parametrize(
    "uri",
    ["http://[::1]:5000/x", "https://me:word@host", "postgresql://b:p#w@h/db", "sqlite:////a b.db"],
)
def test_a_well_formed_uri_is_taken(uri: str):
    assert check_uri(uri) == uri


def test_who_named_a_uri_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "databricks")
    with pytest.raises(StudyError, match=r"^MLFLOW_TRACKING_URI databricks"):
        tracking_uri(None)
    with pytest.raises(StudyError, match=r"^--mlflow-uri nonsense"):
        tracking_uri("nonsense")
    assert tracking_uri("http://host") == "http://host"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert tracking_uri(None) is None


def test_messages_do_not_show_passwords(root: Root):
    uri = "postgresql://ada:se:cret@host/db"
    assert safe_uri(uri) == "postgresql://ada:***@host/db"
    assert "cret" not in ui_command(uri, root)


def test_the_ui_command_is_one_shell_line_or_the_server_s_address(root: Root):
    words = shlex.split(ui_command(None, root))
    assert words == ["moleflow", "ui", "--root", str(root.path)]
    assert ui_command("http://host:5000", root) == "http://host:5000"
