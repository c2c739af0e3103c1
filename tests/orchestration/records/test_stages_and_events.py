"""Stages and events as types, and as the text that they are in files."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestration.records.events import (
    Attempt,
    End,
    Epoch,
    Event,
    EventLog,
    Metrics,
    Note,
    StageFinished,
    StageStarted,
    Waiting,
    read_events,
)
from orchestration.records.ledger import Record, StageSource
from orchestration.records.stages import StageRef
from orchestration.studies.expansion import Trial
from tests.records import record

STAGE = StageRef("adapter", "metal nut+cable")
EVENTS: tuple[Event, ...] = (
    Attempt(host="a host", device="cpu:avx512", role="witness"),
    StageStarted(stage=STAGE, task=3),
    StageFinished(stage=STAGE, task=3, seconds=1.5, source="shared", saved=2.5),
    Epoch(stage=STAGE, task=3, epoch=1, epochs=9, seconds=0.5, numbers={"loss": 0.25}),
    Metrics(step=4, numbers={"image_auroc/mean": 0.5}),
    Waiting(what="base"),
    Note(note="waits for no one"),
    End(status="diverged"),
)


def test_a_stage_is_the_same_after_it_was_text() -> None:
    assert StageRef.parse(str(STAGE)) == STAGE


@pytest.mark.parametrize("text", ["", "adapter", "adapter ", "patchcore cookie", " cookie"])
def test_what_names_no_stage_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no stage"):
        StageRef.parse(text)


def test_every_kind_of_event_is_read_as_it_was_written(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "trial" / "events.jsonl")
    for event in EVENTS:
        log.add(event)
    found = list(read_events(tmp_path / "trial" / "events.jsonl"))
    plain = [event.model_copy(update={"time": 0.0, "trial": ""}) for event in found]
    assert plain == list(EVENTS)


@pytest.mark.parametrize(
    "line",
    [
        '{"time":1.0,"trial":"t","kind":"stage started","stage":"cookie"}',
        '{"time":1.0,"trial":"t","kind":"attempt","role":"thief"}',
        '{"time":1.0,"trial":"t","kind":"rumour"}',
        '{"time":1.0,"trial":"t","kind":"note","note":"x","epoch":3}',
        '{"time":1.0,"trial":"t"}',
        "[]",
    ],
)
def test_a_line_that_is_no_event_is_passed_over_and_told(tmp_path: Path, line: str) -> None:
    path, told = tmp_path / "t" / "events.jsonl", list[str]()
    EventLog(path).add(Note(note="before"))
    with path.open("a") as file:
        file.write(line + "\n")
    EventLog(path).add(Note(note="after"))
    notes = [event.note for event in read_events(path, told.append) if isinstance(event, Note)]
    assert notes == ["before", "after"]
    assert "1 line is no event" in told[0]


def test_a_record_is_flat_text_with_stages_named_in_words_and_is_read_as_it_was() -> None:
    source = StageSource(kind="adapter", key="k", source="made")
    made = record(stages={STAGE: source}, seconds={STAGE: 2.0})
    text = made.model_dump_json()
    assert '"sequence":[["a"]]' in text and '"adapter metal nut+cable":2.0' in text
    assert Record.model_validate_json(text) == made


def test_a_record_s_trial_is_the_trial_without_what_came_of_it() -> None:
    found = record("other").trial
    assert type(found) is Trial
    assert found == Trial.model_validate_json(found.model_dump_json())
    assert found.key == "other"


def test_a_stage_of_no_kind_is_refused_by_a_record() -> None:
    text = record(seconds={STAGE: 2.0}).model_dump_json().replace("adapter metal", "guess metal")
    with pytest.raises(ValidationError, match="no stage"):
        Record.model_validate_json(text)
