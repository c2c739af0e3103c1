"""A record is the one of its name or counts for nothing; event lines are whole or passed over; a
measurement is written once in a trial's life."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from moleflow.errors import StoreError
from moleflow.sealed import seal
from orchestration.driver.misfits import set_misfits_aside
from orchestration.records.events import (
    Epoch,
    EventLog,
    Metrics,
    Note,
    numbers_of,
    read_events,
    read_events_from,
    told_first,
)
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, MisfitError
from orchestration.records.stages import StageRef
from tests.data.others import NOBODY, let_others_in
from tests.records import record


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path / "s")


def test_a_record_that_may_not_be_read_is_told_and_is_no_misfit(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    top, user = tmp_path_factory.mktemp("shared"), os.geteuid()
    let_others_in(top)
    ledger = Ledger(StudyFolder(top / "s"))
    ledger.write(record("one"))
    (top / "s/trials/one.json").chmod(0)
    try:
        if user == 0:
            os.seteuid(NOBODY)
        with pytest.raises(StoreError, match=r"one\.json: cannot be read .*mend its permissions"):
            ledger.read("one")
    finally:
        os.seteuid(user)


def test_a_record_survives_its_file(folder: StudyFolder) -> None:
    ledger = Ledger(folder)
    ledger.write(record("one"))
    assert ledger.read("one") == record("one")
    assert ledger.read("two") is None
    assert ledger.keys() == ["one"]
    assert [path.name for path in folder.trials.iterdir()] == ["one.json"]


def exchanged(path: Path) -> None:
    path.write_bytes(path.with_name("two.json").read_bytes())


def of_another_study(path: Path) -> None:
    Ledger(StudyFolder(path.parent / "t")).write(record("one", study="t"))
    path.write_bytes((path.parent / "t" / "trials" / "one.json").read_bytes())


def digit(path: Path) -> None:
    path.write_text(path.read_text().replace('"ended": 1.0', '"ended": 2.0'))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def sealed_json(path: Path) -> None:
    path.write_bytes(seal('{"a": 1}'))


MISFITS = [exchanged, of_another_study, digit, cut, zeroed, emptied, a_folder, a_pipe, sealed_json]


@pytest.mark.parametrize("damage", MISFITS)
def test_what_is_not_the_record_of_its_name_is_named_and_not_read(
    damage: Callable[[Path], None], folder: StudyFolder
) -> None:
    ledger, told = Ledger(folder), list[str]()
    ledger.write(record("one"))
    ledger.write(record("two"))
    damage(folder.record("one"))
    for read in (ledger.read, ledger.read_brief):
        with pytest.raises(MisfitError, match=r"one\.json: .*Run the study again"):
            read("one")
    assert [found.path for found in ledger.misfits()] == [folder.record("one")]
    assert [one.key for one in ledger.sound(told.append)] == ["two"]
    assert len(told) == 1 and "one.json" in told[0]


def test_a_copy_of_a_record_is_a_misfit(folder: StudyFolder) -> None:
    Ledger(folder).write(record("one"))
    copy = folder.record("one (copy)")
    copy.write_bytes(folder.record("one").read_bytes())
    assert [found.path for found in Ledger(folder).misfits()] == [copy]


def test_misfits_are_set_aside_whole_and_told(folder: StudyFolder) -> None:
    told: list[str] = []
    Ledger(folder).write(record("one"))
    Ledger(folder).write(record("two"))
    content = folder.record("two").read_bytes()
    exchanged(folder.record("one"))
    assert set_misfits_aside(folder, told.append) == 1
    assert Ledger(folder).keys() == ["two"]
    assert [path.read_bytes() for path in folder.misfits.iterdir()] == [content]
    assert len(told) == 1 and str(folder.record("one")) in told[0]
    assert set_misfits_aside(folder, told.append) == 0


def test_a_restarted_trial_writes_a_measurement_once_with_its_first_time(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventLog(path).add(Epoch(stage=StageRef("base", "a"), numbers={"loss": 2.0}, epochs=9, epoch=1))
    first = next(read_events(path)).time
    restarted = EventLog(path)
    restarted.add(
        Epoch(stage=StageRef("base", "a"), numbers={"loss": 2.0, "lr": 0.1}, epochs=9, epoch=1)
    )
    restarted.add(Epoch(stage=StageRef("base", "a"), numbers={"loss": 1.0}, epochs=9, epoch=2))
    found = list(numbers_of(read_events(path)))
    told = [(one.name, one.step, one.value) for one in found]
    assert told == [("loss/a", 1, 2.0), ("lr/a", 1, 0.1), ("loss/a", 2, 1.0)]
    assert found[0].time == first


def test_what_two_processes_at_one_trial_measured_is_told_once(tmp_path: Path) -> None:
    """One was paused, seemed dead and was not: both append to the same file."""
    path = tmp_path / "k" / "events.jsonl"
    logs = [EventLog(path), EventLog(path)]
    stage = StageRef("base", "wood")
    for log in logs:
        log.add(Epoch(stage=stage, numbers={"loss": 0.5}, epochs=2, epoch=1))
        log.add(Metrics(numbers={"auroc": 0.9}, step=1))
    logs[1].add(Epoch(stage=stage, numbers={"loss": 0.4}, epochs=2, epoch=2))
    events, told = list(read_events(path)), set[tuple[str, int]]()
    found = [*told_first(events[:3], told), *told_first(events[3:], told)]
    assert [one.time for one in numbers_of(found)] == [events[i].time for i in (0, 1, 4)]
    assert len(found) == len(events) == 5


def test_half_a_line_is_not_read_and_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventLog(path).add(Note(note="one"))
    with path.open("a") as file:
        file.write('{"time": 1.0, "ki')
    events, offset = read_events_from(path, 0)
    assert [event.note for event in events] == ["one"]
    EventLog(path).add(Note(note="two"))
    later, _ = read_events_from(path, offset)
    assert [event.note for event in later] == ["two"]
