"""A note of what was checked is the one of its name and whole, or as good as none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from moleflow.settings import Settings
from orchestration.records.layout import Root
from orchestration.records.notes import keep_note, kept_note, place_of_note


class Found(Settings):
    weights: str


def exchanged(note: Path) -> None:
    keep_note(note.with_name("b.json"), Found(weights="other"))
    note.write_bytes(note.with_name("b.json").read_bytes())


def a_folder(note: Path) -> None:
    note.unlink()
    note.mkdir()


DAMAGES: list[Callable[[Path], object]] = [
    exchanged,
    a_folder,
    Path.unlink,
    lambda note: note.write_bytes(b""),
    lambda note: note.write_bytes(note.read_bytes()[:12]),
    lambda note: note.write_bytes(bytes(note.stat().st_size)),
    lambda note: note.write_bytes(note.read_bytes().replace(b"mine", b"hers")),
    lambda note: note.write_text('{"weights": "mine"}'),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_note_that_is_not_its_own_is_none_and_is_written_anew(
    damage: Callable[[Path], object], tmp_path: Path
) -> None:
    note = place_of_note("a", Root.at(tmp_path))
    keep_note(note, Found(weights="mine"))
    assert kept_note(note, Found) == Found(weights="mine")
    damage(note)
    assert kept_note(note, Found) is None
    keep_note(note, Found(weights="mine"))
    assert kept_note(note, Found) == Found(weights="mine")
