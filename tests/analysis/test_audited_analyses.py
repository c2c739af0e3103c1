"""Pages of analyses, audited: what follows from their tables or stands in the record is found
again, and what is changed there is found."""

import csv
import dataclasses
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from moleflow.config import Config
from moleflow.data.catalog import open_catalog
from orchestration.commands.analysis import analyse
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.records.plans import write_plan
from orchestration.records.revision import this_moleflow
from orchestration.studies.expansion import expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Terms
from orchestration.trial.sequence import run_trial
from reports.audit.analyses.pages import PLACES, audit_analyses, pages_of
from reports.audit.claim import Verdict
from reports.audit.recomputed import Finding
from reports.audit.records import read
from reports.audit.study import audit_study
from reports.writing import write_reports

pytestmark = pytest.mark.slow

TASKS = (("01",), ("02", "bolt"), ("nut",), ("wood",), ("tile",))
BTAD = (("01",), ("02",), ("03",))
"""Its classes are called so: names that look like numbers."""
CUDA = "cuda:sm_90:kernels2"
ASKED = {
    "dia_effect": "mean_norm_* absolute_* kurtosis_* displacement scale_deviation offset_norm",
    "spectrum_layers": "columns",
    "cost_ms_per_picture": "largest* pictures repeats",
    "routing_cosines": "cosine centred_cosine",
    "area_classes": "local_variance",
}
"""Columns of which a model alone can tell that one number is wrong: nothing follows from them."""


@pytest.fixture(scope="module")
def make_root(
    tmp_path_factory: pytest.TempPathFactory,
    draw_class: Callable[..., None],
    small_config: Config,
) -> Callable[..., Root]:
    """A root folder with a study of one trial, analysed."""

    def make(
        *, tasks: tuple[tuple[str, ...], ...] = TASKS, masks: bool = True, **fields: object
    ) -> Root:
        pictures = tmp_path_factory.mktemp("pictures")
        for level, name in enumerate(name for task in tasks for name in task):
            draw_class(pictures, name, 50 + 30 * level, not masks)
        root = Root.at(tmp_path_factory.mktemp("root"))
        changed = {name.replace("__", "."): value for name, value in fields.items()}
        config = small_config.updated({"training.epochs": 3, **changed})
        catalog = open_catalog(pictures)
        prints = {name: checked_fingerprint(data, root) for name, data in catalog.items()}
        study = Study(question="?", base=config, groups=tasks)
        plan = expand("nuts", study, str(pictures), prints, {config.backbone: "random:0"})
        write_plan(plan, root.study("nuts"))
        assert run_trial(plan.trials[0], root, Terms()) == "finished"
        assert analyse("nuts", root=root.path) == 0
        return root

    return make


@pytest.fixture(scope="module")
def whole(make_root: Callable[..., Root]) -> Root:
    return make_root()


@pytest.fixture
def root(whole: Root, tmp_path: Path) -> Root:
    """A copy that a test may spoil."""
    shutil.copytree(whole.path, tmp_path / "root")
    return Root.at(tmp_path / "root")


def found(root: Root) -> list[Finding]:
    return list(audit_analyses(read(root.study("nuts").path)))


def wrong(root: Root, verdict: Verdict = Verdict.IMPOSSIBLE) -> list[str]:
    return [f"{one.place} {one.why}" for one in found(root) if one.verdict is verdict]


def folder_of(root: Root) -> Path:
    return next((root.study("nuts").path / "analyses").iterdir())


@contextmanager
def changed(path: Path, old: str, new: str) -> Iterator[None]:
    """A file, for the time of a block."""
    before = path.read_text("utf-8")
    assert old in before
    path.write_text(before.replace(old, new, 1), "utf-8")
    yield
    path.write_text(before, "utf-8")


def is_asked(table: str, column: str) -> bool:
    return any(
        re.fullmatch(pattern.replace("*", ".*"), column) for pattern in ASKED.get(table, "").split()
    )


def columns(folder: Path) -> Iterator[tuple[Path, int, list[list[str]]]]:
    """Every column of numbers of every table, by its place."""
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
        for place, name in enumerate(lines[0]):
            if name not in PLACES and any(line[place] for line in lines[1:]):
                yield path, place, lines


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"separate": True, "tasks": TASKS[:3]},
        {"lora": "off", "dia__blocks": 0, "masks": False, "tasks": TASKS[:2]},
        {"tasks": (("01", "bolt", "nut"),)},
        {"router__distance": "oracle", "tasks": BTAD},
    ],
    ids=[
        "usual",
        "separate flows",
        "no bank and no masks",
        "joint",
        "told the task, of classes like numbers",
    ],
)
def test_of_analyses_that_nobody_changed_everything_holds(
    make_root: Callable[..., Root], whole: Root, fields: dict[str, object]
) -> None:
    root = make_root(**fields) if fields else whole
    assert wrong(root) == []
    holds = {one.function.rpartition(".")[2] for one in found(root) if one.verdict == "holds"}
    assert holds == {
        *("spectrum", "similarity", "shift", "dia_effect", "routing", "cost", "area"),
        "the page of analyses",
    }


def test_a_number_that_is_changed_in_any_column_is_found_but_what_only_a_model_can_tell(
    root: Root,
) -> None:
    """In the last line that has one, so that others cannot follow from it alone."""
    folder, missed, needless = folder_of(root), list[str](), list[str]()
    for path, place, lines in list(columns(folder)):
        line = max(i for i, one in enumerate(lines) if i and one[place])
        before, one = path.read_bytes(), [*lines[line]]
        one[place] = {"True": "False", "False": "True"}.get(one[place]) or str(
            float(one[place]) * 1.25 + 1
        )
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(
                [*lines[:line], one, *lines[line + 1 :]]
            )
        said = [told for told in wrong(root) if "index.html" not in told]
        path.write_bytes(before)
        asked = is_asked(path.stem, lines[0][place])
        if bool(said) == asked:
            (needless if asked else missed).append(f"{path.stem}: {lines[0][place]}")
    assert (missed, needless) == ([], [])


def test_a_line_that_is_gone_is_found(root: Root) -> None:
    for path in sorted(folder_of(root).glob("*.csv")):
        lines = path.read_text("utf-8").splitlines(keepends=True)
        if len(lines) < 2:
            continue
        path.write_text("".join(lines[:-1]), "utf-8")
        assert any("index.html" not in one for one in wrong(root)), path.name
        path.write_text("".join(lines), "utf-8")


def test_a_sentence_that_says_another_number_or_other_words_is_found(root: Root) -> None:
    for path in sorted(folder_of(root).glob("*.json")):
        if path.name.endswith(".sources.json"):
            continue
        finding = re.search(r'"finding": "(.*?[^\\])",?\n', path.read_text("utf-8"))
        assert finding is not None
        number = re.search(r"\d+(?=\D*$)", finding[1])
        assert number is not None
        other = f"{finding[1][: number.start()]}9{number[0]}{finding[1][number.end() :]}"
        for new in (other, finding[1].replace("o", "0", 1)):
            with changed(path, finding[1], new):
                assert any(f"{path.name} finding" in one for one in wrong(root)), new


def test_a_page_that_shows_other_numbers_than_its_files_or_another_trial_is_found(
    root: Root,
) -> None:
    page = folder_of(root) / "index.html"
    text = page.read_text("utf-8")
    cell = re.search(r'<td class="number" data-source="\d+">(\d+\.\d+)</td>', text)
    assert cell is not None
    for old, new, where in (
        (cell[0], cell[0].replace(cell[1], f"9{cell[1]}"), "shows other numbers"),
        ("<dt>Seed</dt><dd>0", "<dt>Seed</dt><dd>1", "Seed is 1, and in the record 0"),
        ("</span></li>", "9</span></li>", "says"),
        ("<h1>", "<h1>0", "of another trial"),
        (">01</th>", ">1</th>", "shows other numbers"),
    ):
        with changed(page, old, new):
            assert any(where in one for one in wrong(root)), new
    assert wrong(root) == []


def test_memory_that_the_record_has_otherwise_is_found(root: Root) -> None:
    with changed(folder_of(root) / "cost.json", " MiB (recorded)", "0 MiB (recorded)"):
        assert any("cost.json notes" in one for one in wrong(root))


def test_what_another_kind_of_device_measured_is_not_held_against_the_record(root: Root) -> None:
    folder = folder_of(root)
    table, kept = folder / "routing.csv", folder / "routing.json"
    with table.open(newline="", encoding="utf-8") as file:
        value = next(csv.DictReader(file))["margin_min"]
    with changed(table, value, str(float(value) * 1.001)):
        assert any("margin_min" in one for one in wrong(root))
        kind = re.search(r'"device": "(.*)"', kept.read_text("utf-8"))
        assert kind is not None
        with changed(kept, kind[0], f'"device": "{CUDA}"'):
            assert not any("routing.csv" in one for one in wrong(root))


def test_of_another_version_it_differs_and_the_analysis_is_named_with_its_command(
    root: Root,
) -> None:
    folder = folder_of(root)
    write_reports(root.study("nuts"))
    kept = folder / "area.json"
    with (
        changed(kept, this_moleflow(), "moleflow 0.0.9"),
        changed(folder / "area.csv", "area quantile 1", "area quantile 7"),
    ):
        audited = audit_study(root.study("nuts").path)
        assert not any("area.csv" in one for one in wrong(root))
        assert any("area.csv" in one for one in wrong(root, Verdict.DIFFERS))
    (other,) = audited["by_others"]
    assert other["written_by"] == "moleflow 0.0.9"
    assert other["pages"] == [kept.relative_to(root.path).as_posix()]
    assert other["remedy"] == root.command("analyse", "nuts")


def test_a_study_s_audit_has_its_analyses_and_says_how_much_no_second_way_computes(
    whole: Root,
) -> None:
    write_reports(whole.study("nuts"))
    audited = audit_study(whole.study("nuts").path)
    lines = [one for one in audited["claims"] if "moleflow.analysis.spectrum" in one["source"]]
    assert {one["verdict"] for one in lines} == {"holds", "not checkable"}
    assert audited["counts"]["cannot be true"] == 0 and audited["by_others"] == []


def test_analyses_of_a_trial_that_the_ledger_has_not_are_told(root: Root) -> None:
    folder = folder_of(root)
    root.study("nuts").record(folder.name).unlink()
    assert [one for one in wrong(root) if "no record of" in one]


def test_the_record_s_own_numbers_are_what_counts(root: Root) -> None:
    """Exchanged analyses of another trial do not pass for its own."""
    study = root.study("nuts")
    record = Ledger(study).read(folder_of(root).name)
    assert record is not None
    rows = [
        dataclasses.replace(row, value=row.value / 2) if row.class_name == "nut" else row
        for row in record.rows
    ]
    study.record(record.key).unlink()
    Ledger(study).write(record.model_copy(update={"rows": tuple(rows)}))
    assert any("image_auroc" in one for one in wrong(root))


def test_one_command_writes_the_analyses_of_a_whole_study_or_of_a_trial_anew(root: Root) -> None:
    study = root.study("nuts")
    page = folder_of(root) / "index.html"
    assert pages_of(read(study.path)) == {page: root.command("analyse", "nuts")}
    other = read(study.path).trials[0]
    records = dataclasses.replace(
        read(study.path), trials=(other, dataclasses.replace(other, key="f" * 20))
    )
    assert pages_of(records) == {page: root.command("analyse", f"nuts/{page.parent.name}")}
