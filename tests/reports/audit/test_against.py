"""Pages that set two studies against each other are found a second time."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.records.layout import StudyFolder
from orchestration.studies.axes import Grid, Variants
from orchestration.studies.expansion import Trial
from reports.audit.study import audit_study
from reports.document import Written
from reports.roots import write_against
from reports.writing import write_reports
from tests.reports.audited import changed, impossible, unchecked, wrong
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow
RANKS = Grid(field="lora.rank", values=(8, 16))
NAMED = Variants(variants={"main": {}, "small": {"lora.rank": 8}}, baseline="main")


def law(trial: Trial, metric: str, class_name: str, step: int) -> float:
    """The second study is better with one rank, and too noisy to say with another."""
    later, rank = trial.study == "later", trial.config.lora.rank
    noise = 0.02 * (trial.seed % 2) if later and rank == 16 else 0.0
    return 0.8 + 0.03 * (later and rank == 8) + noise + 0.0005 * (trial.seed * 7 % 3)


@pytest.fixture
def pair(lab: Lab) -> Callable[..., tuple[StudyFolder, Written]]:
    def made(
        ours: Grid | Variants | None = RANKS,
        theirs: Grid | Variants | None = RANKS,
        rank: int = 64,
        seeds: int = 4,
    ) -> tuple[StudyFolder, Written]:
        lab.law, lab.reports = law, ("task_order",)
        lab.config = lab.config.updated({"lora.rank": rank})
        axes = () if theirs is None else (theirs,)
        folder, plan = lab.plan(1, 1, range(4), axes=axes, name="first")
        lab.run(folder, plan.trials)
        lab.config = lab.config.updated({"lora.rank": 64})
        axes = () if ours is None else (ours,)
        own, plan = lab.plan(1, 1, range(seeds), axes=axes, name="later")
        lab.run(own, plan.trials)
        write_reports(own)
        return own, write_against(lab.root, "later", "first")

    return made


KINDS = {
    "by name": {},
    "by config": {"ours": NAMED, "theirs": Grid(field="lora.rank", values=(64, 32))},
    "the only ones": {"ours": None, "theirs": None, "rank": 32},
    "one seed": {"seeds": 1},
    "nothing alike": {"theirs": Grid(field="lora.rank", values=(32, 128))},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_of_two_studies_compared_is_found_again(
    pair: Callable[..., tuple[StudyFolder, Written]], kind: str
) -> None:
    folder, _ = pair(**KINDS[kind])
    assert wrong(folder) == []


@pytest.mark.parametrize("column", ["difference", "interval_low", "p_holm", "seeds"])
def test_a_changed_number_of_its_table_is_found(
    pair: Callable[..., tuple[StudyFolder, Written]], column: str
) -> None:
    folder, written = pair()
    path = written.html.parent / "tables" / "against-image_auroc.csv"
    with changed(path, 2, column, lambda value: value + 1) as place:
        assert any(place in one for one in impossible(audit_study(folder.path)))


@pytest.mark.parametrize(
    ("own", "other"),
    [
        (r"n = 4 seeds", "n = 5 seeds"),
        (r"better in 1, undecided in 1 of 2 settings", "better in 2 of 2 settings"),
        (r"(?<=>)3\.\d\d(?=<)", "4.44"),
    ],
)
def test_other_words_and_numbers_of_its_page_are_found(
    pair: Callable[..., tuple[StudyFolder, Written]], own: str, other: str
) -> None:
    folder, written = pair()
    page = written.html.read_text(encoding="utf-8")
    assert re.search(own, page), [*re.findall("later is .*", page)]
    written.html.write_text(re.sub(own, other, page, count=1), encoding="utf-8")
    assert any(other in one for one in impossible(audit_study(folder.path)))


def test_a_page_on_a_study_that_is_gone_cannot_be_checked(
    pair: Callable[..., tuple[StudyFolder, Written]], lab: Lab
) -> None:
    folder, written = pair()
    Path(lab.root.study("first").path / "study.json").unlink()
    told = unchecked(audit_study(folder.path))
    assert any(str(written.html.parent) in one for one in told)
