"""An entry of the store is whole and checked, or it is not there."""

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from moleflow.errors import DataError, StoreError
from moleflow.sealed import seal
from orchestration.records.layout import Root
from orchestration.store.store import Store, open_store

DAMAGES = ["truncated", "flipped", "missing", "no manifest", "no text", "no manifest's text"]


def write(text: str):
    return lambda folder: (folder / "data.txt").write_text(text) and None


def spoil(folder: Path, damage: str) -> None:
    file, manifest = folder / "data.txt", folder / "manifest.json"
    match damage:
        case "truncated":
            file.write_text("on")
        case "flipped":
            file.write_text("onf")
        case "missing":
            file.unlink()
        case "no manifest":
            manifest.unlink()
        case "no text":
            manifest.write_bytes(b"\xff\xfe\x00")
        case _:
            manifest.write_text('{"files": {"data.txt": {"size": 3}}}')


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    folder, made = Store(tmp_path).get_or_make("texts", "abcd", write("one"))
    again, made_again = Store(tmp_path).get_or_make("texts", "abcd", write("two"))
    assert (made, made_again) == (True, False)
    assert again == folder == tmp_path / "texts" / "ab" / "abcd"
    assert (folder / "data.txt").read_text() == "one"


@pytest.mark.parametrize("umask", [0o7, 0o22, 0o77])
def test_who_may_read_an_entrys_manifest_may_read_all_of_it(tmp_path: Path, umask: int) -> None:
    def make(folder: Path) -> None:
        save_file({"x": torch.zeros(2)}, folder / "x.safetensors")
        write("one")(folder)

    before = os.umask(umask)
    try:
        folder, _ = Store(tmp_path).get_or_make("texts", "abcd", make)
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o666 & ~umask}


def test_files_in_folders_belong_to_an_entry(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        (folder / "maps/raw").mkdir(parents=True)
        (folder / "maps/raw/0.bin").write_bytes(b"0")

    folder = Store(tmp_path).publish("words", "abcd", make)
    assert Store(tmp_path).find("words", "abcd") == folder
    (folder / "maps/raw/0.bin").write_bytes(b"1")
    assert Store(tmp_path).find("words", "abcd") is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_set_aside_and_made_anew(tmp_path: Path, damage: str) -> None:
    folder, _ = Store(tmp_path).get_or_make("texts", "abcd", write("one"))
    spoil(folder, damage)
    again, made = Store(tmp_path).get_or_make("texts", "abcd", write("anew"))
    assert made and (again / "data.txt").read_text() == "anew"
    assert len(list(folder.parent.glob("abcd.damaged-*"))) == 1


def test_damage_is_said_once_with_the_file_that_has_it(tmp_path: Path) -> None:
    folder = Store(tmp_path).publish("texts", "abcd", write("one"))
    spoil(folder, "flipped")
    said: list[str] = []
    store = Store(tmp_path, said.append)
    for _ in range(3):
        store.get_or_make("texts", "abcd", write("anew"))
    assert len(said) == 1
    assert "data.txt does not match its SHA-256" in said[0] and str(folder) in said[0]


def test_an_entry_that_changed_in_place_of_a_checked_one_is_checked_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.publish("texts", "abcd", write("one"))
    Store(tmp_path).remove("texts", "abcd")
    assert store.find("texts", "abcd") is None
    spoil(Store(tmp_path).publish("texts", "abcd", write("one")), "flipped")
    assert store.find("texts", "abcd") is None


def exchange(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def alone(folder: Path) -> None:
    """With the manifest of another entry whose files are the same."""
    (folder / "manifest.json").write_bytes((folder.parent / "abef/manifest.json").read_bytes())


def refitted(folder: Path) -> None:
    """Other content, and its sums put into the manifest."""
    (folder / "data.txt").write_text("two")
    manifest = folder / "manifest.json"
    old, new = (hashlib.sha256(text).hexdigest() for text in (b"one", b"two"))
    manifest.write_text(manifest.read_text().replace(old, new))


def empty_manifest(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"files": {}}))


def sealed_empty_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(
        seal(json.dumps({"kind": "words", "key": "abcd", "files": {}}))
    )


def pipe(folder: Path) -> None:
    (folder / "data.txt").unlink()
    os.mkfifo(folder / "data.txt")


def pipe_as_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")


def a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("no folder")


MISFITS: list[Callable[[Path], None]] = [
    lambda folder: exchange(folder, folder.parent / "abef"),
    lambda folder: exchange(folder, folder.parents[2] / "letters/ab/abcd"),
    *(alone, refitted, empty_manifest, sealed_empty_manifest, pipe, pipe_as_manifest, a_file),
]


@pytest.mark.parametrize("damage", MISFITS)
def test_an_entry_that_is_not_that_of_its_place_is_told_set_aside_and_made_anew(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = Store(tmp_path).publish("words", "abcd", write("one"))
    for kind, key in (("words", "abef"), ("letters", "abcd")):
        Store(tmp_path).publish(kind, key, write("one"))
    damage(folder)
    (found,) = [e for e in Store(tmp_path).verify() if (e.kind, e.key) == ("words", "abcd")]
    assert found.damaged
    said: list[str] = []
    again, made = Store(tmp_path, said.append).get_or_make("words", "abcd", write("anew"))
    assert made and (again / "data.txt").read_text() == "anew"
    assert len(said) == 1 and str(folder) in said[0]
    for left in list(Store(tmp_path).leftovers()):
        Store(tmp_path).remove(left.kind, left.key)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["abcd", "abef"]


def test_an_entry_that_lacks_a_file_which_its_kind_has_is_none(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        for name in ("stage.json", "bank.safetensors", "made.json"):
            (folder / name).write_text(name)

    folder = Store(tmp_path).publish("adapter", "abcd", make)
    assert Store(tmp_path).find("adapter", "abcd") == folder
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["sha256"], manifest["files"]["made.json"]
    (folder / "manifest.json").write_bytes(seal(json.dumps(manifest)))
    (found,) = Store(tmp_path).verify()
    assert found.fault == "manifest.json names no made.json"
    with pytest.raises(AssertionError):
        Store(tmp_path).publish("base", "abcd", make)


FINDER = """
import sys
from pathlib import Path
from orchestration.store.store import Store
store = Store(Path(sys.argv[1]), lambda text: print("aside", flush=True))
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    def make(folder):
        (folder / "data.txt").write_text(f"entry {number}")
    folder, _ = store.get_or_make("words", f"{number:04}", make)
    assert (folder / "data.txt").read_text() == f"entry {number}"
"""


@pytest.mark.slow
def test_processes_that_find_the_same_damage_set_it_aside_once_and_go_on(tmp_path: Path) -> None:
    for number in range(100):
        spoil(Store(tmp_path).publish("words", f"{number:04}", write("one")), "flipped")
    command, pipe = [sys.executable, "-c", FINDER, str(tmp_path)], subprocess.PIPE
    finders = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    assert [finder.stdout.readline() for finder in finders if finder.stdout] == ["ready\n"] * 3
    for finder in finders:
        assert finder.stdin is not None
        finder.stdin.write("\n")
        finder.stdin.flush()
    said = [finder.communicate(timeout=60)[0].split() for finder in finders]
    assert [finder.returncode for finder in finders] == [0, 0, 0]
    assert sum(map(len, said)) == len(list(tmp_path.glob("words/*/*.damaged-*"))) == 100


def test_a_killed_writer_leaves_nothing_that_a_reader_takes(tmp_path: Path) -> None:
    def die(folder: Path) -> None:
        (folder / "data.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Store(tmp_path).get_or_make("texts", "abcd", die)
    assert Store(tmp_path).find("texts", "abcd") is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_second_of_two_writers_takes_the_firsts(tmp_path: Path) -> None:
    def slow(folder: Path) -> None:
        (folder / "data.txt").write_text("second")
        Store(tmp_path).get_or_make("texts", "abcd", write("first"))

    folder, _ = Store(tmp_path).get_or_make("texts", "abcd", slow)
    assert (folder / "data.txt").read_text() == "first"
    assert [path.name for path in folder.parent.iterdir()] == ["abcd"]


def test_a_writer_that_finds_a_damaged_entry_in_its_place_takes_the_place(tmp_path: Path) -> None:
    def slow(folder: Path) -> None:
        (folder / "data.txt").write_text("second")
        spoil(Store(tmp_path).publish("texts", "abcd", write("one")), "flipped")

    folder = Store(tmp_path).publish("texts", "abcd", slow)
    assert (folder / "data.txt").read_text() == "second"


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "texts").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="choose another --root"):
        Store(tmp_path).get_or_make("texts", "abcd", write("one"))


def _bytes(folder: Path) -> None:
    (folder / "data.bin").write_bytes(bytes(100_000))


def _tensors(folder: Path) -> None:
    save_file({"a": torch.zeros(25_000)}, folder / "data.safetensors")


@pytest.mark.parametrize("make", [_bytes, _tensors])
def test_a_full_disk_is_named_with_the_remedy_and_leaves_nothing(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(StoreError, match=r"texts/ab/abcd: cannot be written .*free space"):
            Store(tmp_path).publish("texts", "abcd", make)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [path for path in tmp_path.rglob("*") if path.is_file() or path.name != "ab"] == [
        tmp_path / "texts"
    ]


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "gone", "/data/a.png"), DataError("a.png"), TimeoutError("slow")]
)
def test_what_goes_wrong_with_the_ingredients_is_not_blamed_on_the_store(
    tmp_path: Path, error: Exception
) -> None:
    def make(folder: Path) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        Store(tmp_path).publish("texts", "abcd", make)
    assert raised.value is error


def test_an_entry_that_may_not_be_read_is_not_taken_for_damaged(tmp_path: Path) -> None:
    folder = Store(tmp_path).publish("texts", "abcd", write("one"))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(StoreError, match="cannot be read"):
            Store(tmp_path).find("texts", "abcd")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert Store(tmp_path).find("texts", "abcd") == folder


def test_entries_say_what_they_are(tmp_path: Path) -> None:
    store, before = Store(tmp_path), time.time()
    store.publish("words", "abcd", write("one"))
    spoil(store.publish("letters", "efgh", write("one")), "truncated")
    (tmp_path / "checked").mkdir()
    (tmp_path / "checked" / "note.json").write_text("{}")
    letters, words = store.entries()
    assert (words.kind, words.key, words.damaged) == ("words", "abcd", False)
    assert (letters.kind, letters.key, letters.damaged) == ("letters", "efgh", True)
    files = (tmp_path / "words/ab/abcd").iterdir()
    assert words.bytes == sum(file.stat().st_size for file in files) > 3
    assert before - 1 <= words.modified <= time.time() + 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_verify_finds_all_damage_and_changes_nothing(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    store.publish("words", "whole", write("one"))
    spoil(store.publish("words", "spoilt", write("one")), damage)
    before = sorted(tmp_path.rglob("*"))
    assert {entry.key: entry.damaged for entry in store.verify()} == {
        "whole": False,
        "spoilt": True,
    }
    assert sorted(tmp_path.rglob("*")) == before


def test_a_removed_entry_is_not_there_and_its_mapped_files_stay_readable(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.publish("words", "abcd", write("one"))
    with (folder / "data.txt").open() as file:
        store.remove("words", "abcd")
        store.remove("words", "abcd")
        assert file.read() == "one"
    assert store.find("words", "abcd") is None
    assert list(folder.parent.iterdir()) == []


def test_leftovers_are_listed_and_can_be_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.publish("words", "abcd", write("one"))
    spoil(store.publish("words", "abef", write("one")), "flipped")
    assert Store(tmp_path).find("words", "abef") is None
    old, young = tmp_path / "words/ab/.abgh.0123", tmp_path / "words/ab/.abgh.4567"
    for folder in (old, young):
        folder.mkdir()
        (folder / "half").write_text("half")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    found = list(store.leftovers())
    assert [entry.key.partition("-")[0] for entry in found] == [".abgh.0123", "abef.damaged"]
    assert [entry.key for entry in store.entries()] == ["abcd"]
    for entry in found:
        store.remove(entry.kind, entry.key)
    assert list(store.leftovers()) == []
    assert sorted(path.name for path in old.parent.iterdir()) == [".abgh.4567", "abcd"]


def test_a_path_a_file_uri_and_the_root_are_folders(tmp_path: Path) -> None:
    root, elsewhere = Root.at(tmp_path / "root"), tmp_path / "else where"
    for where, folder in (
        (None, root.store),
        (str(elsewhere), elsewhere),
        (elsewhere.as_uri(), elsewhere),
    ):
        found, _ = open_store(where, root).get_or_make("words", "abcd", write("one"))
        assert found == folder / "words/ab/abcd"
