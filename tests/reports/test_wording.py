"""Laws of how numbers are worded, wherever a report has them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestration.records.layout import StudyFolder
from orchestration.studies.axes import Orders, TaskZero, Variants
from orchestration.studies.study import Study
from reports.kinds import known
from reports.writing import write_reports
from tests.reports.audit.test_own_reports import noisy
from tests.reports.audited import wrong
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow
KINDS = tuple(kind for kind in known() if kind not in ("checklist", "search"))
NOUNS = (
    *("seeds", "trials", "orders", "classes", "settings", "tasks", "pairs", "groups", "pictures"),
    *("images", "numbers", "values", "records", "mismatches", "variants", "epochs", "blocks"),
)
SEVERAL = re.compile(rf"(?<![\w.,−-])1 (?:[a-z]+ )?(?:{'|'.join(NOUNS)})\b")
LONG = re.compile(r"(?<![\w.,#=-])(?<!et al. )\d{4,}(?:\.\d+)?(?![\w-])")
"""Digits of a number with nothing between its thousands; neither of dates nor of digests."""
NARROW = "\u202f"


def texts(folder: StudyFolder) -> Iterator[str]:
    """Lines of pages and of what the terminal prints."""
    yield from (folder.path / "answer.txt").read_text("utf-8").splitlines()
    for page in sorted(folder.report.rglob("report.md")):
        yield from page.read_text("utf-8").replace("\\", "").splitlines()


def made(lab: Lab, pictures: int, seeds: tuple[int, ...], orders: int) -> StudyFolder:
    lab.law, lab.classes, lab.pictures = noisy, ("bottle", "cable"), pictures
    study = Study(
        question="?",
        base=lab.config.updated(
            {"training.epochs": 1, "training.warmup_epochs": 0, "flow.blocks": 1}
        ),
        classes=lab.classes,
        axes=(
            TaskZero(count=orders),
            Orders(count=1),
            Variants(baseline="in", variants={"in": {}, "out": {"mixer.kernel": 0}}),
        ),
        seeds=seeds,
        reports=KINDS,
    )
    folder, plan = lab.planned(study, "worded")
    lab.run(folder, plan.trials)
    write_reports(folder)
    return folder


@pytest.fixture(scope="module")
def single(
    make_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory
) -> StudyFolder:
    """One order, one seed, one trial of each setting."""
    return made(make_lab(tmp_path_factory.mktemp("single")), 10, (0,), 1)


@pytest.fixture(scope="module")
def large(make_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """Pictures by the thousand."""
    return made(make_lab(tmp_path_factory.mktemp("large")), 4321, (0, 1), 2)


def test_one_is_nowhere_a_plural(single: StudyFolder) -> None:
    assert [line for line in texts(single) if SEVERAL.search(line)] == []


def test_thousands_are_apart_everywhere_and_in_one_way(large: StudyFolder) -> None:
    lines = list(texts(large))
    assert [line for line in lines if LONG.search(line) or NARROW in line] == []
    assert any("34,568 of 34,568" in line for line in lines)


def test_numbers_with_thousands_have_a_second_way(large: StudyFolder) -> None:
    assert wrong(large) == []
