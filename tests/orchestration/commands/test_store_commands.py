"""`moleflow store`: what is shown, checked and deleted, and what never is."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moleflow.errors import StudyError
from orchestration.commands.store import app, used_by
from orchestration.records.files import write_atomically
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.store.lease import Leases
from orchestration.store.store import Store
from tests.records import record as new_record

pytestmark = pytest.mark.slow

Run = Callable[..., tuple[int, str]]
DAY = 86400


@pytest.fixture
def run(root: Root, capsys: pytest.CaptureFixture[str]) -> Run:
    """(arguments) -> exit code and what was printed."""

    def call(*arguments: str) -> tuple[int, str]:
        tokens = [*arguments, "--root", str(root.path)]
        code = app(tokens, result_action="return_value", exit_on_error=False)
        said = capsys.readouterr()
        return code, said.out + said.err

    return call


@pytest.fixture
def store(root: Root) -> Store:
    """Entries `old` and `new`, used by study `one`; `both`, by `one` and `two`; `free`, by none."""
    store = Store(root.store)
    for key in ("old", "new", "both", "free"):
        store.publish("words", key, make)
    aged(root, "old", 40)
    aged(root, "free", 2)
    record(root, "one", "old", "new", "both")
    record(root, "two", "both")
    return store


def make(folder: Path) -> None:
    (folder / "data.bin").write_bytes(bytes(2_000_000))


def aged(root: Root, key: str, days: float) -> None:
    made = time.time() - days * DAY
    os.utime(root.store / "words" / key[:2] / key / "manifest.json", (made, made))


def record(root: Root, study: str, *keys: str) -> None:
    write_atomically(root.study(study).asked, "{}")
    Ledger(root.study(study)).write(new_record(study=study, uses={"words": keys}))


@pytest.fixture
def driver(root: Root, store: Store) -> Iterator[Leases]:
    """Study `two` is running."""
    write_atomically(root.study("two").path / "driver.json", "{}")
    with Leases(root.leases, "driver") as leases:
        assert leases.acquire("driver/two")
        yield leases


def left(store: Store) -> set[str]:
    return {entry.key for entry in store.entries()}


ALL = {"old", "new", "both", "free"}


def test_ls_sums_up_each_kind_and_names_the_studies_that_use_it(run: Run, store: Store) -> None:
    store.publish("notes", "abcd", make)
    code, said = run("ls")
    (line,) = [line for line in said.splitlines() if line.startswith("words ")]
    assert code == 0 and line.split()[:4] == ["words", "4", "8.00", "MB"]
    assert line.rstrip().endswith("one, two")
    assert "5 entries, 10.00 MB" in said


def test_ls_shows_each_entry_on_demand(run: Run, store: Store) -> None:
    _, said = run("ls", "--entries")
    lines = {line.split()[0]: line.split() for line in said.splitlines() if "words/" in line}
    assert set(lines) == {f"words/{key}" for key in ALL}
    assert lines["words/both"][1:3] == ["2.00", "MB"] and lines["words/both"][-2:] == [
        "one,",
        "two",
    ]


def test_an_empty_root_has_nothing(run: Run, root: Root) -> None:
    root.path.mkdir(parents=True, exist_ok=True)
    assert run("ls")[0] == run("verify")[0] == run("gc")[0] == 0


def test_verify_sets_damage_aside_and_says_so_by_its_exit_code(
    run: Run, store: Store, root: Root
) -> None:
    assert run("verify") == (0, "4 checked, 0 damaged\n")
    file = root.store / "words/fr/free/data.bin"
    file.write_bytes(b"1" + file.read_bytes()[1:])
    code, said = run("verify")
    assert code == 1 and "4 checked, 1 damaged" in said
    assert "data.bin does not match its SHA-256" in said.replace("\n", " ")
    assert left(store) == ALL - {"free"}
    assert run("verify")[0] == 0


@pytest.mark.parametrize(
    ("criteria", "gone"),
    [
        (("--older-than", "30d"), {"old"}),
        (("--older-than", "24h"), {"old", "free"}),
        (("--study", "one"), {"old", "new"}),
        (("--study", "two"), set[str]()),
        (("--unused",), {"free"}),
        (("--older-than", "30d", "--unused"), set[str]()),
        (("--older-than", "30d", "--study", "one"), {"old"}),
        ((), set[str]()),
    ],
)
def test_gc_deletes_what_fits_all_criteria_and_only_when_told(
    run: Run, store: Store, criteria: tuple[str, ...], gone: set[str]
) -> None:
    _, shown = run("gc", *criteria)
    assert left(store) == ALL
    _, said = run("gc", *criteria, "--delete")
    assert left(store) == ALL - gone
    for text in (shown, said):
        assert {key for key in ALL if f"words/{key} " in text} == gone
    total = f"{2 * len(gone)}.00 MB"
    assert f"{total} would be deleted" in shown and f"{total} deleted" in said


def test_gc_takes_leftovers_and_damage_without_criteria(run: Run, store: Store, root: Root) -> None:
    (root.store / "words/fr/free/data.bin").write_bytes(b"")
    aside, fresh = root.store / "words/ab/.abcd.0123", root.store / "words/ab/.abcd.4567"
    for folder in (aside, fresh):
        folder.mkdir(parents=True)
    os.utime(aside, (0, 0))
    _, said = run("gc", "--delete")
    assert "never finished" in said and "has not the 2000000 bytes" in said
    assert left(store) == ALL - {"free"}
    assert fresh.exists() and not aside.exists()


def test_gc_never_deletes_what_somebody_is_making(run: Run, store: Store, root: Root) -> None:
    aside = root.store / "words/ab/.abcd.0123"
    aside.mkdir(parents=True)
    os.utime(aside, (0, 0))
    with Leases(root.leases, "trial") as leases:
        assert leases.acquire("words/free") and leases.acquire("words/abcd")
        run("gc", "--unused", "--delete")
        assert left(store) == ALL and aside.exists()
    run("gc", "--unused", "--delete")
    assert left(store) == ALL - {"free"} and not aside.exists()


@pytest.mark.parametrize("criterion", [("--unused",), ("--study", "one"), ("--older-than", "1h")])
def test_gc_deletes_no_results_while_a_study_runs(
    run: Run, store: Store, driver: Leases, criterion: tuple[str, ...]
) -> None:
    _, said = run("gc", *criterion, "--delete")
    assert left(store) == ALL and "two is running" in said
    driver.close()
    run("gc", *criterion, "--delete")
    assert left(store) < ALL


def test_a_study_and_an_age_that_mean_nothing_are_refused(run: Run, store: Store) -> None:
    with pytest.raises(StudyError, match=r"no study 'three' in .*; there are one, two"):
        run("gc", "--study", "three", "--delete")
    with pytest.raises(StudyError, match="--older-than 30: write a number and m, h, d or w"):
        run("gc", "--older-than", "30", "--delete")
    assert left(store) == ALL


def test_another_store_can_be_named(run: Run, tmp_path: Path) -> None:
    Store(tmp_path / "elsewhere").publish("words", "abcd", make)
    assert "1 entry, 2.00 MB" in run("ls", "--store", str(tmp_path / "elsewhere"))[1]


def test_uses_are_those_of_all_studies(store: Store, root: Root) -> None:
    assert used_by(root) == {
        ("words", "old"): {"one"},
        ("words", "new"): {"one"},
        ("words", "both"): {"one", "two"},
    }
