"""What `--json` prints is what docs/json.md says."""

import json
import re
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from moleflow.settings import Settings
from orchestration import cli
from orchestration.records.layout import Root
from orchestration.studies.expansion import Plan
from orchestration.views.answers import (
    ANSWERS,
    DoctorAnswer,
    PlanAnswer,
    StatusAnswer,
    StoreAnswer,
    StudiesAnswer,
)

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "json.md"
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def shapes(kind: type[Settings]) -> Iterator[type[Settings]]:
    """A shape, and those that its fields hold."""
    yield kind
    for field in kind.model_fields.values():
        for inner in _held(field.annotation):
            yield from shapes(inner)


def _held(annotation: Any) -> Iterator[type[Settings]]:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for argument in get_args(annotation):
        yield from _held(argument)


def word(annotation: Any) -> str:
    if annotation in WORDS:
        return WORDS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return f"*{annotation.__name__}*"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of {word(arguments[0])}"
    if origin is dict:
        return f"object of {word(arguments[1])}"
    assert origin is types.UnionType, annotation
    return " or ".join("null" if one is type(None) else word(one) for one in arguments)


def documented() -> str:
    """The tables, as the shapes say."""
    parts: list[str] = []
    for answer in ANSWERS:
        for shape in dict.fromkeys(shapes(answer)):
            heading = "##" if shape is answer else "###"
            lines = [f"{heading} {shape.__name__}", "", shape.__doc__ or "", ""]
            lines += ["| field | is | meaning |", "|---|---|---|"]
            for name, field in shape.model_fields.items():
                meaning = " ".join((field.description or "").split())
                lines.append(f"| `{name}` | {word(field.annotation)} | {meaning} |")
            parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def test_the_document_has_every_field() -> None:
    head, _, tables = DOCUMENT.read_text().partition("## PlanAnswer")
    assert "## PlanAnswer" + tables == documented(), "docs/json.md: write what this test expects"
    assert "format" in head


def test_every_field_has_a_meaning_and_every_answer_a_version() -> None:
    for answer in ANSWERS:
        assert re.fullmatch(r"moleflow\.\w+/\d+", answer.model_fields["format"].default)
        for shape in shapes(answer):
            assert shape.__doc__
            assert all(field.description for field in shape.model_fields.values())


Asks = Callable[..., Any]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Asks:
    """Runs a command and reads its answer, which is all that it prints."""

    def run(*words: str, kind: type[Settings]) -> Any:
        monkeypatch.setattr("sys.argv", ["moleflow", *words, "--json"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code in (0, 1)
        printed = capsys.readouterr().out
        assert json.loads(printed)["format"] == kind.model_fields["format"].default
        return kind.model_validate_json(printed)

    return run


def test_status(ask: Asks, root: Root, plan: Plan) -> None:
    root.claim()
    found = ask("status", "small", "--root", str(root.path), kind=StatusAnswer)
    assert (found.trials, found.left, found.finished) == (4, 4, 0)
    assert [one.trial for one in found.states] == [trial.key for trial in plan.trials]
    assert {one.status for one in found.states} == {"waiting"}


def test_studies(ask: Asks) -> None:
    names = {one.name for one in ask("studies", kind=StudiesAnswer).studies}
    assert {"papers", "task0", "grid"} <= names
    (one,) = ask("studies", "task0", kind=StudiesAnswer).studies
    assert one.question in one.text


def test_an_empty_store(ask: Asks, root: Root) -> None:
    root.claim()
    found = ask("store", "ls", "--root", str(root.path), kind=StoreAnswer)
    assert found.kinds == () and found.entries is None


@pytest.mark.slow
def test_doctor(ask: Asks, root: Root) -> None:
    found = ask("doctor", "--root", str(root.path), kind=DoctorAnswer)
    assert found.problems == sum(one.state == "problem" for one in found.checks)
    assert "python" in {one.name for one in found.checks}


def test_plan(ask: Asks, root: Root) -> None:
    options = ("--classes-of", "mvtec", "--root", str(root.path), "--list")
    found = ask("plan", "lora_rank", *options, kind=PlanAnswer)
    assert (found.trials.left, found.tasks.to_train) == (4, 60)
    assert [one.place for one in found.runs] == [1, 2, 3, 4]
