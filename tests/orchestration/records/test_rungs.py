"""Trials of a search are compared after some tasks: the worse are stopped, once and for all."""

from pathlib import Path

from orchestration.records.rungs import arrive


def test_the_first_goes_on_and_later_ones_must_be_among_the_best_that_came(tmp_path: Path) -> None:
    values = {"a": 0.5, "b": 0.4, "c": 0.6, "d": 0.3, "e": 0.55}
    found = {name: arrive(tmp_path, name, 2, value, 0.5) for name, value in values.items()}
    assert {name: one.goes_on for name, one in found.items()} == {
        "a": True,
        "b": False,
        "c": True,
        "d": False,
        "e": True,
    }
    assert (found["e"].place, found["e"].among) == (2, 5)


def test_what_was_decided_stays_whatever_came_since(tmp_path: Path) -> None:
    first = arrive(tmp_path, "a", 1, 0.1, 0.5)
    for number in range(5):
        arrive(tmp_path, f"better {number}", 1, 0.9, 0.5)
    assert arrive(tmp_path, "a", 1, 0.1, 0.5) == first and first.goes_on


def test_a_file_that_is_damaged_or_of_another_trial_has_not_come(tmp_path: Path) -> None:
    arrive(tmp_path, "a", 1, 0.9, 0.5)
    (tmp_path / "b.json").write_bytes((tmp_path / "a.json").read_bytes())
    (tmp_path / "a.json").write_text("{}")
    assert arrive(tmp_path, "c", 1, 0.1, 0.5).among == 1
