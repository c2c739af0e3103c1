"""Reports that another version of moleflow wrote are told before what is found of them."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.commands.audit import audit
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Ledger
from orchestration.records.revision import this_moleflow
from reports.audit.study import audit_study
from reports.roots import write_against
from reports.writing import write_reports
from tests.reports.audited import changed, impossible
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow
OTHER = "moleflow 0.0.9 (code 00000000)"
GENERATOR = r'<meta name="generator" content="[^"]*">'


@pytest.fixture(scope="module")
def made(make_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Two studies; of one there is a report, with one of another kind and one against the other."""
    lab = make_lab(tmp_path_factory.mktemp("lab"))
    lab.law = lambda trial, *of: 0.8 + int(trial.key[:4], 16) % 97 / 1000
    for name in ("other", "orders"):
        folder, plan = lab.plan(name=name)
        lab.run(folder, plan.trials)
    write_reports(lab.root.study("orders"))
    write_reports(lab.root.study("orders"), ["cost"])
    write_against(lab.root, "orders", "other")
    return lab


@pytest.fixture
def study(made: Lab, tmp_path: Path) -> StudyFolder:
    """A copy that a test may spoil."""
    shutil.copytree(made.root.path, tmp_path / "root")
    return Root.at(tmp_path / "root").study("orders")


def rewritten(page: Path, pattern: str, text: str) -> None:
    whole, many = re.subn(pattern, text, page.read_text("utf-8"), count=1)
    assert many == 1
    page.write_text(whole, "utf-8")


def by_another(page: Path) -> None:
    rewritten(page, re.escape(this_moleflow()), OTHER)


def differing(folder: StudyFolder) -> list[str]:
    claims = audit_study(folder.path)["claims"]
    return [f"{one['claim']}: {one['why']}" for one in claims if one["verdict"] == "differs"]


def otherwise_said(page: Path) -> None:
    """A sentence with a number that the ledger does not give."""
    rewritten(page, r'(<span class="sourced" data-source="\d+"[^>]*>)\d+ of \d+', r"\g<1>98 of 99")


def test_of_this_version_a_sentence_that_differs_cannot_be_true(study: StudyFolder) -> None:
    otherwise_said(study.report / "index.html")
    found = audit_study(study.path)
    assert any("98 of 99" in one for one in impossible(found))
    assert found["by_others"] == [] and differing(study) == []


def test_of_another_version_it_differs_and_the_version_is_told(study: StudyFolder) -> None:
    by_another(study.report / "index.html")
    otherwise_said(study.report / "index.html")
    found = audit_study(study.path)
    assert impossible(found) == [] and any("98 of 99" in one for one in differing(study))
    assert found["by_others"] == [
        {
            "pages": ["studies/orders/report/index.html"],
            "written_by": OTHER,
            "this_is": this_moleflow(),
            "remedy": study.root.command("report", "orders"),
        }
    ]


def test_a_table_is_of_the_version_of_its_page(study: StudyFolder) -> None:
    by_another(study.report / "index.html")
    with changed(study.report / "tables" / "main.csv", 2, "mean", lambda mean: mean / 2) as place:
        assert any(place in one for one in differing(study))
    table = next((study.report / "checklist" / "tables").glob("trials.csv"))
    with changed(table, 2, "seed", lambda seed: seed + 7) as place:
        assert any(place in one for one in impossible(audit_study(study.path)))


def test_a_page_that_does_not_say_is_of_an_earlier_version(study: StudyFolder) -> None:
    page = study.report / "checklist" / "index.html"
    rewritten(page, GENERATOR, "")
    (told,) = audit_study(study.path)["by_others"]
    assert told["written_by"].startswith("an earlier moleflow") and len(told["pages"]) == 1


def test_what_is_wrong_in_the_ledger_is_so_whoever_wrote_the_report(study: StudyFolder) -> None:
    for page in study.report.rglob("index.html"):
        by_another(page)
    ledger = Ledger(study)
    key = next(study.trials.glob("*.json")).stem
    record = ledger.read(key)
    assert record is not None
    study.record(key).unlink()
    ledger.write(record.model_copy(update={"seed": record.seed + 1}))
    assert any("seed" in one for one in impossible(audit_study(study.path)))


def test_each_page_has_the_command_that_writes_it_anew(study: StudyFolder) -> None:
    root = study.path.parent.parent
    for page in (*root.glob("index/*/index.html"), *study.report.glob("cost/index.html")):
        by_another(page)
    by_another(study.report / "index.html")
    at = f" --root {root}"
    told = {one["remedy"]: one["pages"] for one in audit_study(study.path)["by_others"]}
    assert told == {
        f"moleflow report orders{at}": ["studies/orders/report/index.html"],
        f"moleflow report orders --kind cost{at}": ["studies/orders/report/cost/index.html"],
        f"moleflow report orders --against other{at}": ["index/orders-against-other/index.html"],
    }


@pytest.mark.parametrize(("spoil", "code"), [(otherwise_said, 1), (lambda page: None, 0)])
def test_the_command_begins_with_the_version_and_ends_with_1_only_where_something_differs(
    study: StudyFolder, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None], code: int
) -> None:
    by_another(study.report / "index.html")
    spoil(study.report / "index.html")
    assert audit("orders", root=study.path.parent.parent) == code
    said = capsys.readouterr().out
    first = f"studies/orders/report/index.html: written by {OTHER}, and this is {this_moleflow()}:"
    assert said.startswith(f"{first} write it anew with {study.root.command('report', 'orders')};")
    assert "cannot be true " not in said and ("differs   " in said) == bool(code)
