"""The page of all studies of a root folder is found a second time."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moleflow.errors import StudyError
from orchestration.commands.audit import audit
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger, Span
from orchestration.records.revision import this_moleflow
from orchestration.studies.axes import Grid
from orchestration.studies.expansion import Trial
from reports.audit.root import audit_index
from reports.roots import write_index
from reports.writing import write_reports
from tests.reports.audited import changed, impossible, unchecked
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow
NUMBER = re.compile(r'<(?:td|span)[^>]* data-source="\d+"[^>]*>(.*?)</(?:td|span)>')


def law(trial: Trial, metric: str, class_name: str, step: int) -> float:
    """One rank is better in one metric, and nobody can say in the other."""
    noise = 0.02 * (trial.seed % 2) if metric == "pixel_ap" else 0.0005 * (trial.seed % 3)
    return 0.8 + 0.03 * (trial.config.lora.rank == 8) + noise * (trial.config.lora.rank == 8)


@pytest.fixture(scope="module")
def made(make_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory) -> Root:
    """Two studies with reports of two kinds; of a third a trial failed, one was not run, and there
    is no report."""
    lab = make_lab(tmp_path_factory.mktemp("lab"))
    lab.law = law
    axis = Grid(field="lora.rank", values=(64, 8, 16))
    for name in ("first", "later", "partial"):
        lab.reports, firsts, axes = ("ablation",), 1, (axis,)
        if name == "later":  # whose table of pairs has verdicts that do not count
            lab.reports, firsts, axes = ("task0",), 3, ()
        folder, plan = lab.plan(firsts, 1, range(4), axes=axes, name=name)
        if name == "partial":
            lab.run(folder, plan.trials[:-2])
            lab.fail(folder, plan.trials[-2], "no memory")
        else:
            lab.run(folder, plan.trials)
            write_reports(folder)
    write_index(lab.root)
    return lab.root


@pytest.fixture
def root(made: Root, tmp_path: Path) -> Root:
    """A copy that a test may spoil."""
    shutil.copytree(made.path, tmp_path / "root")
    return Root.at(tmp_path / "root")


def found(root: Root) -> list[str]:
    return impossible(audit_index(root.path))


def page_of(root: Root) -> Path:
    return root.index / "index.html"


def test_every_number_of_the_page_of_all_studies_is_found_again(root: Root) -> None:
    audited = audit_index(root.path)
    assert impossible(audited) == [] and unchecked(audited) == []
    assert audited["counts"]["holds"] > 3 * 9 and audited["by_others"] == []
    page = page_of(root).read_text("utf-8")
    assert "2 better, 2 no-op" in page and "no report yet" in page


def other_digits(page: str) -> Iterator[tuple[str, str]]:
    """Pages with one digit of one number changed, and where."""
    for number in NUMBER.finditer(page):
        for digit in re.finditer(r"\d", number[1]):
            at = number.start(1) + digit.start()
            other = str((int(page[at]) + 1) % 10)
            yield page[:at] + other + page[at + 1 :], f"{number[1]} at {digit.start()}"


def test_any_digit_that_is_changed_on_the_page_is_found(root: Root) -> None:
    path, missed = page_of(root), list[str]()
    pages = [*other_digits(path.read_text("utf-8"))]
    for page, what in pages:
        path.write_text(page, "utf-8")
        missed += [] if found(root) else [what]
    assert len(pages) > 30 and missed == []


COLUMNS = ("planned", "finished", "stopped", "diverged", "failed", "not_run", "hours", "verdicts")


@pytest.mark.parametrize("column", [*COLUMNS, "undecided"])
def test_a_changed_number_of_its_table_is_found(root: Root, column: str) -> None:
    path = root.index / "tables" / "studies.csv"
    with changed(path, 3, column, lambda value: value + 1) as place:
        assert any(place in one for one in found(root))


SPOILED = {
    "a link to another study": (r"studies/first/report", "studies/later/report"),
    "a link that is gone": (r'<a href="\.\./studies/first/report/index.html">first</a>', "first"),
    "another question": ("Does the order of tasks matter", "Does the order of trials matter"),
    "other kinds of report": ("<small>ablation</small>", "<small>cost</small>"),
    "another verdict": ("2 better", "2 worse"),
    "a study that there is not": (">partial<", ">parted<"),
    "a study that is left out": (r"<tr><th scope=\"row\">partial.*?</tr>", ""),
}


@pytest.mark.parametrize("what", SPOILED)
def test_other_words_and_links_are_found(root: Root, what: str) -> None:
    own, other = SPOILED[what]
    page, many = re.subn(own, other, page_of(root).read_text("utf-8"), count=1)
    assert many == 1
    page_of(root).write_text(page, "utf-8")
    assert found(root) != []


def test_a_table_that_two_reports_have_counts_once(root: Root) -> None:
    report = root.study("first").report
    shutil.copytree(report / "tables", report / "cost" / "tables")
    write_index(root)
    assert found(root) == []


def test_hours_are_those_at_work_whatever_interrupted_a_trial(root: Root) -> None:
    ledger = Ledger(root.study("first"))
    record = next(ledger.records())
    root.study("first").record(record.key).unlink()
    start, end = record.started, record.ended
    spans = (Span(started=start, ended=start + 90), Span(started=end - 200, ended=end))
    ledger.write(record.model_copy(update={"spans": spans}))
    assert any("hours" in one for one in found(root))
    write_index(root)
    assert found(root) == []


def test_a_report_that_came_later_is_missed(root: Root) -> None:
    write_reports(root.study("partial"))
    assert any("partial: the page shows partial no report yet" in one for one in found(root))


def test_a_trial_that_is_gone_is_missed(root: Root) -> None:
    next(root.study("first").trials.glob("*.json")).unlink()
    assert any("12, and the ledger gives 11" in one for one in found(root))


def test_a_study_without_a_plan_is_on_no_page(root: Root) -> None:
    plan = root.study("later").asked
    plan.write_text(plan.read_text().replace("matter", "metter"))
    assert any("is no line of" in one for one in found(root))
    write_index(root)
    assert found(root) == []


def test_of_another_version_it_differs(root: Root) -> None:
    page = page_of(root).read_text("utf-8").replace(this_moleflow(), "moleflow 0.0.9")
    page_of(root).write_text(page.replace("2 better", "2 worse", 1), "utf-8")
    audited = audit_index(root.path)
    assert impossible(audited) == [] and audited["counts"]["differs"] == 1
    assert [one["remedy"] for one in audited["by_others"]] == [root.command("report")]


def test_the_command_says_so_and_ends_with_1(
    root: Root, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit("", root=root.path, index=True) == 0
    assert "the page of all studies: " in capsys.readouterr().out
    page = page_of(root).read_text("utf-8").replace("2 better", "2 worse", 1)
    page_of(root).write_text(page, "utf-8")
    assert audit("", root=root.path, index=True) == 1


def test_the_page_and_a_study_at_once_and_no_page_are_refused(root: Root) -> None:
    with pytest.raises(StudyError, match="name one of the two"):
        audit("first", root=root.path, index=True)
    shutil.rmtree(root.index)
    with pytest.raises(StudyError, match=f"write it: moleflow report --root {root.path}"):
        audit("", root=root.path, index=True)
