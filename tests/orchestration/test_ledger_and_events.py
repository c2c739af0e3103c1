"""Records and event lines are whole or absent; a measurement is written once in a trial's life."""

from pathlib import Path

import pytest

from moleflow.errors import StoreError
from orchestration.events import EventLog, read_events, read_events_from
from orchestration.layout import StudyFolder
from orchestration.ledger import Ledger
from tests.records import record


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    ledger = Ledger(StudyFolder(tmp_path))
    ledger.write(record("one"))
    assert ledger.read("one") == record("one")
    assert ledger.read("two") is None
    assert ledger.keys() == ["one"]
    assert [path.name for path in (tmp_path / "trials").iterdir()] == ["one.json"]


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    ledger = Ledger(StudyFolder(tmp_path))
    ledger.write(record("one"))
    path = tmp_path / "trials" / "one.json"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(StoreError, match=r"one\.json: not a record"):
        ledger.read("one")


def test_a_restarted_trial_writes_a_measurement_once_with_its_first_time(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventLog(path).add("epoch", step=1, values={"loss/a": 2.0})
    first = next(read_events(path)).time
    restarted = EventLog(path)
    restarted.add("epoch", step=1, values={"loss/a": 2.0, "lr/a": 0.1})
    restarted.add("epoch", step=2, values={"loss/a": 1.0})
    found = [
        (name, event.step, v, event.time)
        for event in read_events(path)
        for name, v in event.values.items()
    ]
    assert [row[:3] for row in found] == [("loss/a", 1, 2.0), ("lr/a", 1, 0.1), ("loss/a", 2, 1.0)]
    assert found[0][3] == first


def test_half_a_line_is_not_read_and_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventLog(path).add("attempt", note="one")
    with path.open("a") as file:
        file.write('{"time": 1.0, "ki')
    events, offset = read_events_from(path, 0)
    assert [event.note for event in events] == ["one"]
    EventLog(path).add("attempt", note="two")
    later, _ = read_events_from(path, offset)
    assert [event.note for event in later] == ["two"]
