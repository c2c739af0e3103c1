"""Secrets are hidden wherever a text leaves, in every form in which people write them."""

import sys
from pathlib import Path

import pytest

from orchestration.commands import run
from orchestration.hiding import HIDDEN, safe_command, safe_text, safe_uri, without
from orchestration.records.layout import Root
from orchestration.store.filesystem import _split  # pyright: ignore[reportPrivateUsage]
from orchestration.tracking.address import check_uri, store_options
from orchestration.trial.recording import failure_of

SECRETS = {
    "postgresql://bob:pa@hunter2@db/mlflow": "postgresql://bob:***@db/mlflow",
    "postgresql+psycopg2://bob:hunter2@db:5432/m": "postgresql+psycopg2://bob:***@db:5432/m",
    "http://bob:pa/hunter2@host:5000": "http://bob:***@host:5000",
    "http://bob:pa?hunter2#x@host": "http://bob:***@host",
    "http://bob:hun hunter2@host": "http://bob:***@host",
    "http://bob%3Ahunter2@host": "http://***@host",
    "https://hunter2@host/x": "https://***@host/x",
    "https://hunter2:@host/x": "https://***@host/x",
    "https://host/x#access_token=hunter2": "https://host/x#***",
    "https://host/x;token=hunter2": "https://host/x;token=***",
    "postgresql:///m?host=db&user=bob&password=hunter2": (
        "postgresql:///m?host=db&user=bob&password=***"
    ),
    "postgresql:///m?pass%77ord=hunter2;sslmode=require": "postgresql:///m?pass%77ord=***;sslmode=require",
    "mssql+pyodbc:///?odbc_connect=UID%3Dbob%3BPWD%3Dhunter2": "mssql+pyodbc:///?odbc_connect=***",
    "s3://AKIA:hun/hunter2+x@bucket/p?region=eu": "s3://***@bucket/p?region=eu",
    "s3://bucket/p?secret_key=hunter2&scheme=http": "s3://bucket/p?secret_key=***&scheme=http",
    "sqlite:////runs/m.db?key=hunter2": "sqlite:////runs/m.db?key=***",
    "bob:hunter2@host": "***@host",
}
HARMLESS = (
    "http://host:5000/path",
    "sqlite:////home/a@b/#1/mlflow.db",
    "sqlite:///mlflow.db",
    "file:///data/user@site",
    "s3://bucket/prefix?region=eu-central-1&endpoint_override=127.0.0.1:9000",
    "postgresql://db/mlflow?sslmode=require",
)


@pytest.mark.parametrize("uri", SECRETS)
def test_a_uri_is_shown_without_what_is_secret_in_it(uri: str) -> None:
    assert safe_uri(uri) == SECRETS[uri]
    assert "hunter2" not in safe_command(["moleflow", "run", "--mlflow-uri", uri])
    assert "hunter2" not in safe_command(["moleflow", "run", f"--store={uri}"])
    assert "hunter2" not in without(f"cannot open {uri!r}", uri)


@pytest.mark.parametrize("uri", HARMLESS)
def test_a_uri_without_secrets_is_shown_as_it_is(uri: str) -> None:
    assert safe_uri(uri) == safe_text(uri) == uri


@pytest.mark.parametrize(
    "text",
    [
        "API request to http://bob:hunter2@127.0.0.1:1/api failed",
        "dsn: host=db password = 'hunter2 x' user=bob",
        "AWS_SECRET_ACCESS_KEY=hunter2, aws_session_token=hunter2",
        "error code 401. Response body: 'no entry for Bearer hunter2.hunter2'",
        "{'Authorization': 'Basic hunter2aHVudGVyMg=='}",
    ],
)
def test_texts_of_others_are_told_without_secrets(text: str) -> None:
    told = safe_text(text)
    assert "hunter2" not in told and HIDDEN in told
    failure = failure_of(RuntimeError(text), None, {})
    assert "hunter2" not in failure.model_dump_json()


def test_words_that_are_no_secrets_are_told() -> None:
    for text in ("Basic information on a study", "the Bearer of bad news", "Basic HTTP"):
        assert safe_text(text) == text


def test_the_command_line_that_is_kept_and_told_holds_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["/x/moleflow", "run", "task_order", "--mlflow-uri", "http://bob:hunter2@host"]
    monkeypatch.setattr(sys, "argv", words)
    told = run._command_line()  # pyright: ignore[reportPrivateUsage]
    assert told == "moleflow run task_order --mlflow-uri 'http://bob:***@host'"


def test_a_secret_key_is_taken_as_it_is_written() -> None:
    for key in ("hun/ter+2==", "hun%2Fter+2=="):
        found = _split(f"s3://AKIA:{key}@bucket/a?region=eu")
        assert (found.hostname, found.path, found.query) == ("bucket", "/a", "region=eu")
        assert (found.username, found.password) == ("AKIA", "hun%2Fter+2==")
    for uri in ("s3://bucket/a@b", "s3://AKIA:key@bucket/a@b"):
        assert (_split(uri).hostname, _split(uri).path) == ("bucket", "/a@b")


def test_a_relative_file_is_the_same_file_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/tmp")
    uri = check_uri("sqlite:///some/m.db")
    assert uri == "sqlite:////tmp/some/m.db"
    assert store_options(uri, Root.at(Path("/r")))[-1] == uri
