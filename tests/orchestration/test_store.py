"""An entry of the store is whole and checked, or it is not there."""

from pathlib import Path

import pytest

from moleflow.errors import StoreError
from orchestration.store import Store


def write(text: str):
    return lambda folder: (folder / "data.txt").write_text(text) and None


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    folder, made = Store(tmp_path).get_or_make("features", "abcd", write("one"))
    again, made_again = Store(tmp_path).get_or_make("features", "abcd", write("two"))
    assert (made, made_again) == (True, False)
    assert again == folder == tmp_path / "features" / "ab" / "abcd"
    assert (folder / "data.txt").read_text() == "one"


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing", "no manifest"])
def test_a_damaged_entry_is_set_aside_and_made_anew(tmp_path: Path, damage: str) -> None:
    folder, _ = Store(tmp_path).get_or_make("features", "abcd", write("one"))
    file = folder / "data.txt"
    match damage:
        case "truncated":
            file.write_text("on")
        case "flipped":
            file.write_text("onf")
        case "missing":
            file.unlink()
        case _:
            (folder / "manifest.json").unlink()
    again, made = Store(tmp_path).get_or_make("features", "abcd", write("anew"))
    assert made and (again / "data.txt").read_text() == "anew"
    assert len(list(folder.parent.glob("abcd.damaged-*"))) == 1


def test_a_killed_writer_leaves_nothing_that_a_reader_takes(tmp_path: Path) -> None:
    def die(folder: Path) -> None:
        (folder / "data.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Store(tmp_path).get_or_make("features", "abcd", die)
    assert Store(tmp_path).find("features", "abcd") is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_second_of_two_writers_takes_the_firsts(tmp_path: Path) -> None:
    def slow(folder: Path) -> None:
        (folder / "data.txt").write_text("same")
        Store(tmp_path).get_or_make("features", "abcd", write("same"))

    folder, _ = Store(tmp_path).get_or_make("features", "abcd", slow)
    assert (folder / "data.txt").read_text() == "same"
    assert [path.name for path in folder.parent.iterdir()] == ["abcd"]


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "features").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="choose another --root"):
        Store(tmp_path).get_or_make("features", "abcd", write("one"))
