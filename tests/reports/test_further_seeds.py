"""What reports say of further seeds: how many, how sure that is, and what they cost."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest

from orchestration.records.layout import StudyFolder
from orchestration.studies.axes import Grid
from orchestration.studies.expansion import Trial
from reports.audit.seeds_told import seeds_told
from reports.digits import at_work, says_nothing
from reports.document import DASH, computed, plain
from reports.evidence import Evidence, load
from reports.further_seeds import Further, soonest, to_decide
from reports.statistics import contrast
from reports.writing import write_reports
from tests.reports import pictured
from tests.reports.audited import changed, wrong
from tests.reports.conftest import Lab
from tests.reports.test_interactions_report import WITHOUT, by_corner, two_by_two

SOURCE = computed(soonest)
QUIET = contrast([0.9, 0.91, 0.89, 0.9], [0.91, 0.93, 0.90, 0.89], 0.001)
NOISY = contrast([0.9, 0.95, 0.85, 0.9], [0.95, 0.93, 0.80, 0.97], 0.001)


def test_of_undecided_ones_the_answer_tells_which_the_fewest_seeds_decide() -> None:
    assert QUIET.verdict == NOISY.verdict == "undecided"
    quiet, noisy = (to_decide(one, 90.0) for one in (QUIET, NOISY))
    told = plain(tuple(soonest([("noisy", noisy, SOURCE), ("quiet", quiet, SOURCE)])))
    assert told == f"; soonest decided, quiet: {plain(tuple(quiet.words(SOURCE)))}"
    assert told.endswith(", each 90 s of work")


def test_what_is_decided_asks_for_no_seeds() -> None:
    same = contrast([0.9, 0.91, 0.89], [0.9, 0.91, 0.89], 0.001)
    one = to_decide(same, 90.0)
    assert (one.words(SOURCE), one.cell(SOURCE).text, one.cell(SOURCE).note) == ([], DASH, "")
    assert soonest([("same", one, SOURCE)]) == []


def test_ends_too_far_apart_for_a_number_stand_alone_wherever_seeds_are_told() -> None:
    few, sure = Further(2, 3, (1, None), 60.0), Further(5, 30, (12, 80), 60.0)
    assert few.cell(SOURCE).text == DASH and few.cell(SOURCE).note.startswith("from 1 to over")
    assert few.short("with pictures") == "with pictures: from 1 to over 1,000"
    assert "do not say how many" in plain(tuple(few.words(SOURCE)))
    assert (sure.cell(SOURCE).text, sure.short("with")) == ("30", "with: 30, from 12 to 80")
    assert "about 30 more seeds would" in plain(tuple(sure.words(SOURCE)))
    many = plain(tuple(Further(3, None, (520, None), 60.0).words(SOURCE)))
    assert many.startswith("over 1,000 more seeds would most likely tell, from 520 to over 1,000")


def test_what_is_settled_needs_no_seed_and_that_is_a_number() -> None:
    assert not says_nothing(0, 0) and says_nothing(0, None)
    assert Further(5, 0, (0, 0), 60.0).cell(SOURCE).text == "0"


def noisy(trial: Trial, metric: str, class_name: str, step: int) -> float:
    first, rank = trial.sequence[0][0] == "cable", trial.config.lora.rank == 16
    own = 0.01 * math.sin((37.0 + 3 * rank) * trial.seed + 5 * first)
    return 0.8 + 0.004 * first + 0.004 * rank + own


@pytest.fixture(scope="module")
def study(make_lab: Callable[[Path], Lab], tmp_path_factory) -> StudyFolder:
    lab = make_lab(tmp_path_factory.mktemp("noisy"))
    lab.law, lab.reports = noisy, ("ablation", "sensitivity", "strategies", "task0", "task_order")
    axis = Grid(field="lora.rank", values=(64, 16))
    folder, plan = lab.plan(task_zeros=2, orders=1, seeds=(0, 1, 2), axes=(axis,))
    lab.run(folder, plan.trials)
    write_reports(folder)
    return folder


def seconds(evidence: Evidence, settings: slice) -> float:
    """Of the trials of one seed of these settings."""
    trials = [record for one in evidence.settings[settings] for record in one.finished]
    return sum(record.working_seconds for record in trials) / 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["", "sensitivity", "strategies"])
def test_a_report_of_settings_tells_what_a_further_seed_of_both_sides_costs(
    study: StudyFolder, kind: str
) -> None:
    page = (study.report / kind / "report.md").read_text("utf-8")
    assert f", each {at_work(seconds(load(study), slice(2)))} of work" in page
    assert f"each {at_work(seconds(load(study), slice(2)))})" in page  # in the table


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["task0", "task_order"])
def test_a_report_of_tasks_0_tells_what_a_further_seed_of_all_of_them_costs(
    study: StudyFolder, kind: str
) -> None:
    page = (study.report / kind / "report.md").read_text("utf-8")
    said = f"would settle it: from 14 to over 1,000, each {at_work(seconds(load(study), slice(1)))}"
    assert f"{said} of work" in page


@pytest.mark.slow
def test_costs_of_further_seeds_are_found_a_second_time(study: StudyFolder) -> None:
    assert wrong(study) == []
    for kind, name in (("sensitivity", "contrasts-image_auroc"),
                       ("task0", "task0_verdicts-setting1")):  # fmt: skip
        path = study.report / kind / "tables" / f"{name}.csv"
        columns = pd.read_csv(path).filter(regex="seconds|minutes").dropna(axis=1).columns
        with ExitStack() as changes:
            places = [
                changes.enter_context(changed(path, 2, column, lambda value: value + 1))
                for column in columns
            ]
            found = wrong(study)
        assert places and all(any(place in one for one in found) for place in places)


@pytest.mark.slow
def test_a_report_of_interactions_tells_it_of_trials_at_all_corners(lab: Lab) -> None:
    lab.law = by_corner
    one = two_by_two(lab, WITHOUT["dia"]).model_copy(update={"reports": ("interactions",)})
    folder, plan = lab.planned(one, "one")
    lab.run(folder, plan.trials)
    write_reports(folder)
    took = sum(record.working_seconds for record in load(folder).finished) / 5
    page = (folder.report / "report.md").read_text("utf-8")
    assert f", each {at_work(took)} of work" in page and f"; each {at_work(took)})" in page
    assert f"; each {at_work(took / 2)})" in page  # of a component by itself
    for name in ("interactions", "simple_effects"):
        path = folder.report / "tables" / f"{name}-image_auroc-final_mean.csv"
        with changed(path, 2, "seconds_per_seed", lambda value: value + 1) as place:
            assert any(place in one for one in wrong(folder))


@pytest.mark.slow
def test_with_two_seeds_those_to_settle_it_show_their_doubt_on_pictures_too(lab: Lab) -> None:
    lab.reports, lab.classes = ("task0",), ("bottle", "hazelnut")
    folder, plan = lab.plan(task_zeros=2, orders=1, seeds=(0, 1))
    pictured.run(lab, folder, plan.trials)
    write_reports(folder)
    table = pictured.read(folder, "task0_verdicts").loc["image_auroc"]
    low, high = (int(table[f"seeds_to_settle_both_{end}"]) for end in ("low", "high"))
    assert f"with pictures: 0, from {low} to {high})" in pictured.page(folder) and high > low
    path = folder.report / "tables" / "task0_verdicts.csv"
    with changed(path, 2, "seeds_to_settle_both_high", lambda value: value + 200) as place:
        assert any(place in one for one in wrong(folder))


@pytest.mark.parametrize(
    ("more", "low", "high"),
    [
        (None, None, None),
        (None, 5, None),
        (None, 900, None),
        (1, 1, 1),
        (1, 1, 40),
        (7, 3, 60),
        (54, 33, 110),
        (900, 400, None),
        (40, 2, 4000),
    ],
)
def test_whatever_is_told_of_further_seeds_the_audit_knows(
    more: int | None, low: int | None, high: int | None
) -> None:
    said = Further(3, more, (low, high), None)
    numbers = {"": more, "_low": low, "_high": high}
    line = {f"seeds_to_settle{end}": "" if of is None else of for end, of in numbers.items()}
    source = computed(Further.words, ["trial"])
    told = [*said.words(source), *said.short_words("more", source)]
    assert {one.text for one in told if not isinstance(one, str)} <= seeds_told(line | {"seeds": 3})
