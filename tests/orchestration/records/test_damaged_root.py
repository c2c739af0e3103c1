"""Whatever happens to a file of the root folder, a command ends in the right number or in a message
that names the file, and never in a traceback."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.orchestration.records.damaged_root import (
    DAMAGES,
    STUDY,
    Study,
    a_folder,
    call,
    exchanged,
    garbage,
    truncated,
)

pytestmark = pytest.mark.slow

DERIVED = r"store/checked/.*|root\.json|studies/\w+/(certificates/.*|results\.parquet)"
DERIVED += r"|studies/\w+/trials/\w+/(events\.jsonl|log\.txt|trial\.json|artifacts/.*)"
DERIVED += r"|studies/\w+/report/.*"
LARGE = r"studies/\w+/report/|mlartifacts/"
"""Many files of one kind that nothing reads."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study(tmp_path_factory.mktemp("damaged"))


@pytest.fixture
def whole(study: Study) -> Iterator[Study]:
    study.put_back()
    yield study


def by_default(*some: Callable[[Path], None]) -> list[object]:
    """All damages, of which these are not left to the soak."""
    return [d if d in some else pytest.param(d, marks=pytest.mark.soak) for d in DAMAGES]


def names_it(said: str, file: Path) -> bool:
    """The file, or the entry of the store that it belongs to."""
    return file.name in said or (file.parts[0] == "store" and file.parts[-2] in said)


def read_only(study: Study) -> list[tuple[int, str]]:
    root = ("--root", study.root.path)
    report = ("report", STUDY, "--kind", "task_order", *root)
    return [call("status", STUDY, *root), call(*report), call("logs", study.key, *root)]


def ends_well(study: Study) -> str:
    """Run the same command; returns what it said."""
    code, said = study.run()
    assert (code, "Traceback" in said) == (0, False), said
    assert study.found() == study.numbers
    return said


@pytest.mark.parametrize("damage", by_default(exchanged, a_folder))
def test_derived_files_stop_nothing_even_if_all_of_them_are_lost(
    damage: Callable[[Path], None], whole: Study
) -> None:
    files = [file for file in whole.files() if re.fullmatch(DERIVED, file.as_posix())]
    assert len(files) > 20
    for file in files:
        if damage is not exchanged or file.name != "root.json":
            damage(whole.root.path / file)
    assert [code for code, _ in read_only(whole)] == [0, 0, 0]
    ends_well(whole)


@pytest.mark.parametrize("damage", by_default(garbage))
def test_a_root_of_which_nothing_is_left_whole_gives_the_same_numbers(
    damage: Callable[[Path], None], whole: Study
) -> None:
    files = [file for file in whole.files() if file.name != "root.json"]
    for file in files:
        damage(whole.root.path / file)
    for code, said in read_only(whole):
        assert "Traceback" not in said
        assert code == 0 or "study.json" in said
    said = ends_well(whole)
    records = [file for file in files if re.fullmatch(r"studies/\w+/trials/\w+\.json", str(file))]
    entries = [file for file in files if file.match("store/*/*/*/manifest.json")]
    assert records and entries
    if damage is not exchanged:  # each with its brother in turn: two of them are where they were
        assert all(file.name in said for file in records)
        assert all(file.parts[-2] in said for file in entries)
        assert call("store", "verify", "--root", whole.root.path)[0] == 0


def test_a_root_that_nothing_tells_the_format_of_is_refused_by_the_name_of_its_file(
    whole: Study,
) -> None:
    for file in whole.files():
        garbage(whole.root.path / file)
    for code, said in [*read_only(whole)[:2], whole.run()]:
        assert code == 2 and "root.json" in said


@pytest.mark.soak
@pytest.mark.parametrize("damage", [truncated, exchanged, a_folder])
def test_a_file_of_every_kind_by_itself(damage: Callable[[Path], None], study: Study) -> None:
    """Cut short, another one of its kind, no file: three ways to be wrong. That what is no text of
    ours at all is met in every file is seen above, all at once."""
    seen = set[str]()
    for file in study.files():
        kind = re.sub(r"\b[0-9a-f]{20}\b|(?<=/)[0-9a-f]{2}(?=/)|-[0-9a-f]{8,}", "", file.as_posix())
        if kind in seen or (re.match(LARGE, kind) and file.suffix != ".html"):
            continue
        seen.add(kind)
        study.put_back()
        if file.parts[0] == "store":  # trials then take all that they can from there
            for path in study.root.study(STUDY).trials.glob("*.json"):
                path.unlink()
        damage(study.root.path / file)
        for code, said in [] if file.parts[0] == "store" else read_only(study):
            assert "Traceback" not in said, (file, said)
            assert code == 0 or (code == 2 and names_it(said, file)), (file, said)
        ends_well(study)
