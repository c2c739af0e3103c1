"""Folders that are whole or not there, though several write them."""

import errno
import threading
from pathlib import Path

import pytest

from moleflow.files import replaced_folder, replaced_together


def written(folder: Path, content: str) -> None:
    for name in ("a", "b", "c"):
        (folder / name).write_text(content)


def found(folder: Path) -> set[tuple[str, str]]:
    return {(path.name, path.read_text()) for path in folder.iterdir()}


def whole(content: str) -> set[tuple[str, str]]:
    return {(name, content) for name in ("a", "b", "c")}


def test_of_two_that_write_a_folder_at_once_each_is_whole_and_the_later_one_stays(tmp_path: Path):
    with replaced_folder(tmp_path / "kept") as slow:
        (slow / "a").write_text("slow")
        with replaced_folder(tmp_path / "kept") as fast:
            written(fast, "fast")
        assert found(tmp_path / "kept") == whole("fast")
        written(slow, "slow")
    assert found(tmp_path / "kept") == whole("slow")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_folder_that_is_not_written_to_its_end_leaves_the_old_one(tmp_path: Path):
    with replaced_folder(tmp_path / "kept") as old:
        written(old, "old")
    with pytest.raises(OSError, match="full"), replaced_folder(tmp_path / "kept") as new:
        (new / "a").write_text("new")
        raise OSError(errno.ENOSPC, "full")
    assert found(tmp_path / "kept") == whole("old")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_stands_in_a_folders_place_is_set_aside(tmp_path: Path, kind: str):
    place = tmp_path / "kept"
    (tmp_path / "elsewhere").mkdir()
    if kind == "file":
        place.write_text("no folder")
    else:
        place.symlink_to(tmp_path / "elsewhere")
    with replaced_folder(place) as new:
        written(new, "new")
    assert found(place) == whole("new") and not place.is_symlink()
    assert [*(tmp_path / "elsewhere").iterdir()] == []
    assert len([*tmp_path.glob("kept.damaged-*")]) == 1


def test_many_that_write_a_folder_at_once_hinder_nobody(tmp_path: Path):
    errors: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for _ in range(10):
                with replaced_folder(tmp_path / "kept") as new:
                    written(new, str(number))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert found(tmp_path / "kept") in [whole(str(number)) for number in range(4)]
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_files_written_together_are_there_together(tmp_path: Path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("old")
    with replaced_together() as opened:
        for path in (first, second):
            with opened(path) as file:
                file.write(b"new")
            assert first.read_text() == "old" and not second.exists()
    assert first.read_text() == second.read_text() == "new"
    assert sorted(tmp_path.iterdir()) == [first, second]


def test_of_files_written_together_one_that_fails_leaves_all_old_ones(tmp_path: Path):
    first, second = tmp_path / "first", tmp_path / "missing" / "second"
    first.write_text("old")
    with pytest.raises(FileNotFoundError) as told, replaced_together() as opened:
        with opened(first) as file:
            file.write(b"new")
        with opened(second):
            pass
    assert told.value.filename == str(second)
    assert first.read_text() == "old" and [*tmp_path.iterdir()] == [first]
