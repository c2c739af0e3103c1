"""Laws of how reports are found, and of where several of one study stand."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moleflow.config import Config
from moleflow.errors import StudyError
from orchestration.driver.reporting import check_reports, write_reports
from orchestration.records.layout import StudyFolder
from orchestration.studies.axes import Variants
from orchestration.studies.study import Study
from reports import kinds

ONE_FILE = '''
"""How many trials finished?"""

from reports.document import Document, Number, Section, Text, computed


def document(evidence):
    keys = [record.key for record in evidence.finished]
    count = Number(f"{len(keys)} trials", computed(document, keys))
    answer = Text((count, " finished."))
    return Document(evidence.plan.name, "Counting", "How many?", (answer,), (), "counted")
'''


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A kind of report that nobody registered: one file beside the others."""
    folder = tmp_path / "kinds"
    folder.mkdir()
    (folder / "counting.py").write_text(ONE_FILE, encoding="utf-8")
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(folder)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield "counting"
    sys.modules.pop("reports.kinds.counting", None)


def study(lab, *reports: str) -> StudyFolder:
    lab.reports = reports
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0,))
    lab.run(folder, plan.trials)
    return folder


def test_a_new_kind_of_report_is_one_file(lab, counting: str) -> None:
    folder = study(lab, counting)
    (written,) = write_reports(folder.name, lab.root)
    assert written.html == folder.report / "index.html"
    page = written.html.read_text(encoding="utf-8")
    assert re.search(r'title="of 1 trial, by reports\.kinds\.counting\.document">1 trials<', page)
    assert written.headline == "counted" and "counting" in kinds.known()


def test_what_must_be_known_before_any_number_heads_every_kind_of_report(
    lab, counting: str
) -> None:
    lab.reports, lab.law = (counting,), lambda trial, *_: 0.9 + trial.seed / 100
    axis = Variants(
        baseline="main",
        variants={"main": {}, "same": {"lora.rank": 64}, "vain": {"loss.tail_ratio": 0.03}},
    )
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1), axes=(axis,), data="synthetic")
    lab.run(folder, plan.trials)
    (written,) = write_reports(folder.name, lab.root)
    same = "variant = main and variant = same: one setting under several names"
    vain = "variant = vain: no effect: all numbers equal the baseline’s to the bit"
    shown = [written.headline, written.html.read_text(), written.markdown.read_text()]
    shown.append((folder.report / "checklist" / "report.md").read_text())
    for text in (" ".join(text.split()).replace("\\", "") for text in shown):
        assert "data is synthetic" in text and same[1:] in text and vain[1:] in text
    assert all(len(line) <= 100 for line in written.headline.splitlines())


@pytest.mark.slow
def test_one_more_report_moves_none_and_each_names_the_others(lab, counting: str) -> None:
    folder = study(lab, "task_order", counting)
    first, second = write_reports(folder.name, lab.root)
    assert first.html == folder.report / "index.html"
    assert second.html == folder.report / "counting" / "index.html"
    assert (folder.report / "tables" / "main.csv").is_file()
    for written, address in ((first, "counting/index.html"), (second, "../index.html")):
        assert f'<a href="{address}">' in written.html.read_text(encoding="utf-8")
        assert (written.html.parent / address).is_file()


def test_a_kind_that_the_study_does_not_ask_for_can_be_had_beside_its_own(
    lab, counting: str
) -> None:
    folder = study(lab, "task_order")
    (written,) = write_reports(folder.name, lab.root, [counting])
    assert written.html == folder.report / "counting" / "index.html"
    assert not (folder.report / "index.html").exists()


def test_an_unknown_kind_names_the_known_ones(lab) -> None:
    folder = study(lab, "task_order")
    with pytest.raises(StudyError, match=r"no report astrology; known are .*task_order"):
        write_reports(folder.name, lab.root, ["astrology"])


def test_an_unknown_report_is_named_before_anything_runs(lab) -> None:
    lab.reports = ("task_odrer",)
    _, plan = lab.plan()
    said = (
        r"^reports: unknown report task_odrer; did you mean task_order\?; there are .*task_order$"
    )
    with pytest.raises(StudyError, match=said):
        check_reports(plan.study)


@pytest.mark.parametrize("reports", [(), ("task_order", "task_order")])
def test_reports_that_cannot_be_written_are_refused_before_anything_runs(lab, reports) -> None:
    lab.reports = reports
    _, plan = lab.plan()
    with pytest.raises(StudyError, match=r"mend its field reports: each once, of .*task_order"):
        check_reports(plan.study)


def test_a_study_asks_for_the_task_order_report_by_default() -> None:
    asked = Study(question="?", base=Config())
    check_reports(asked)
    assert asked.reports == ("task_order",)
