"""The report of a search: how it went, what was chosen, by what, and what that is worth."""

import csv
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from moleflow.config import Config
from moleflow.streams import numpy_stream
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, Record, Stopped
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.proposing import Told
from orchestration.studies.search import Search, choice, integer, log_uniform, uniform
from orchestration.studies.study import Study
from reports import search_history, search_optimism
from reports.audit.study import audit_study
from reports.document import plain
from reports.evidence import load
from reports.kinds import search as kind
from reports.proposals import Proposed, proposed
from reports.provenance import facts
from reports.search_importance import FEWEST, Importance, importance, sentence
from reports.search_optimism import Choices
from reports.writing import write_reports
from tests.reports.audited import impossible, wrong
from tests.reports.conftest import Lab

SPACE = {
    "training.lr": log_uniform(1e-4, 1e-2),
    "loss.tail_weight": uniform(0.0, 1.0),
    "lora.rank": integer(8, 64),
}


def by_rate(trial: Trial, metric: str, class_name: str, step: int) -> float:
    return 0.5 + 10 * trial.config.training.lr


def by_rate_and_tail(trial: Trial, metric: str, class_name: str, step: int) -> float:
    return by_rate(trial, metric, class_name, step) + 0.1 * trial.config.loss.tail_weight


def searched(
    lab: Lab, axis: Search, base: Config | None = None, name: str = "searched"
) -> tuple[StudyFolder, Plan]:
    study = Study(question="?", base=base or Config(), axes=(axis,), reports=("search",))
    return lab.planned(study, name)


def scored(lab: Lab, trial: Trial, law: Callable[..., float]) -> Record:
    """With a selection score beside the test metrics."""
    record = lab.record(trial)
    finals = [row for row in record.rows if row.definition == "final_mean"]
    by = [replace(r, definition="step_mean", value=law(trial, r.metric, "", 0)) for r in finals]
    return record.model_copy(update={"selection": tuple(by)})


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["selection", "test:image_auroc"])
def test_what_was_chosen_is_told_and_a_choice_by_the_test_set_in_red(lab, objective: str) -> None:
    axis = Search(space={"training.lr": log_uniform(1e-4, 1e-2)}, trials=3, objective=objective)
    folder, plan = searched(lab, axis)
    lab.law = by_rate
    for trial in plan.trials:
        one = scored(lab, trial, by_rate) if objective == "selection" else lab.record(trial)
        Ledger(folder).write(one)
    found = proposed(load(folder), axis)
    expected = [by_rate(trial, "", "", 0) for trial in plan.trials]
    assert [one.value for one in found] == pytest.approx(expected)
    write_reports(folder)
    text = (folder.report / "report.md").read_text()
    assert f"Chosen is proposal {expected.index(max(expected)) + 1} " in text
    assert (kind.ON_TEST in text) == (objective != "selection")
    assert ("cannot be told: nothing but the test set" in text) == (objective != "selection")


def choices(scores: Sequence[float], tests: Sequence[float]) -> Choices:
    every = tuple(Proposed(i, None, {}, ()) for i in range(1, len(scores) + 1))
    return Choices("image_auroc", every, tuple(scores), tuple(tests))


AXIS = Search(space=SPACE, trials=5)


def test_where_both_rank_alike_choosing_on_test_prints_no_more() -> None:
    found = choices([0.5, 0.9, 0.7, 0.6], [0.51, 0.8, 0.62, 0.6])
    assert found.difference == 0.0
    assert found.agreement is not None and found.agreement.value == pytest.approx(1.0)
    assert "prints no more" in plain(search_optimism.sentence(found, AXIS))


def test_of_equal_test_values_the_best_is_the_one_that_was_chosen() -> None:
    found = choices([0.5, 0.9], [0.8, 0.8])
    assert found.by_test == found.by_selection == 1


def test_what_choosing_on_test_prints_more_is_the_gap_to_the_best_there() -> None:
    found = choices([0.9, 0.8, 0.7, 0.6, 0.5], [0.60, 0.61, 0.62, 0.63, 0.64])
    assert found.difference == pytest.approx(0.04)
    assert found.agreement is not None and found.agreement.value == pytest.approx(-1.0)
    assert "rank proposals against each other" in plain(search_optimism.agreement(found))
    told = plain(search_optimism.sentence(found, AXIS))
    assert "64.00 %, of proposal 5 of 5 proposals: 4.00 points more" in told


@pytest.mark.slow
def test_a_search_by_the_test_set_with_a_score_says_what_the_score_had_chosen(lab) -> None:
    axis = Search(space=SPACE, trials=4, objective="test:image_auroc")
    folder, plan = searched(lab, axis, Config().updated({"data.held_out": 0.2}))
    lab.law = by_rate
    for trial in plan.trials:
        Ledger(folder).write(scored(lab, trial, lambda t, *_: 0.9 - by_rate(t, "", "", 0) / 2))
    evidence = load(folder)
    found = search_optimism.choices(evidence, proposed(evidence, axis), axis, "image_auroc")
    values = [by_rate(trial, "", "", 0) for trial in plan.trials]
    assert found is not None and found.difference == pytest.approx(max(values) - min(values))
    assert "By the selection score proposal" in plain(search_optimism.sentence(found, axis))


def test_one_finished_proposal_without_a_score_leaves_nothing_to_compare(lab) -> None:
    axis = Search(space=SPACE, trials=3)
    folder, plan = searched(lab, axis)
    for trial in plan.trials[:2]:
        Ledger(folder).write(scored(lab, trial, by_rate))
    evidence = load(folder)
    found = proposed(evidence, axis)
    assert search_optimism.choices(evidence, found, axis, "image_auroc") is not None
    assert search_optimism.choices(evidence, found, axis, "no such metric") is None


def simulated(n: int, name: str, effect: float) -> list[Proposed]:
    """Of a search in which the rate does all that chance does not."""
    draw = numpy_stream("tests", "simulated search", name, n)
    found: list[Proposed] = []
    for number in range(1, n + 1):
        rate, tail, rank = 10 ** draw.uniform(-4, -2), draw.uniform(), int(draw.integers(8, 65))
        value = 0.8 - effect * (math.log10(rate) + 2.6) ** 2 + 0.005 * draw.normal()
        values = {"training.lr": repr(rate), "loss.tail_weight": repr(tail), "lora.rank": str(rank)}
        told = Told(number=number, outcome="finished", value=value)
        found.append(Proposed(number, told, values, ()))
    return found


def test_the_setting_that_does_all_is_the_one_that_matters() -> None:
    found = importance(simulated(60, "one does all", 0.1), AXIS)
    assert isinstance(found, Importance)
    assert found.shares["training.lr"] > 0.6 and sum(found.shares.values()) == pytest.approx(1.0)
    assert [name for name, p in found.p.items() if p <= 0.05] == ["training.lr"]
    assert "training.lr with" in plain(sentence(found))


def test_where_no_setting_does_anything_none_stands_out() -> None:
    found = importance(simulated(60, "none does", 0.0), AXIS)
    assert isinstance(found, Importance)
    assert plain(sentence(found)).startswith("No setting stands out from chance (n = 60 proposals)")


def test_a_search_too_small_says_so_and_shows_no_shares() -> None:
    told = importance(simulated(FEWEST - 1, "few", 0.1), AXIS)
    assert not isinstance(told, Importance) and f"{FEWEST - 1} finished proposals" in plain(told)


def test_listed_values_are_words_to_the_importance() -> None:
    axis = Search(space={"lora.rank": choice(8, 16, 32), "training.lr": SPACE["training.lr"]},
                  trials=40)  # fmt: skip
    found = [
        replace(one, values={**one.values, "lora.rank": str((8, 16, 32)[one.number % 3])},
                told=Told(number=one.number, outcome="finished", value=float(one.number % 3 == 1)))
        for one in simulated(60, "words", 0.0)
    ]  # fmt: skip
    seen = importance(found, axis)
    assert isinstance(seen, Importance) and seen.shares["lora.rank"] > 0.5


def test_the_history_counts_what_did_not_finish_and_finds_the_best() -> None:
    told = [
        Told(number=1, outcome="finished", value=0.6),
        Told(number=2, outcome="stopped", value=0.9, tasks=1),
        Told(number=3, outcome="finished", value=0.8),
        Told(number=4, outcome="diverged"),
        None,
        Told(number=6, outcome="finished", value=0.7),
    ]
    found = [Proposed(i, one, {}, ()) for i, one in enumerate(told, start=1)]
    drawn = search_history.figure(found, AXIS)
    assert drawn is not None
    assert plain(drawn.n) == "3 finished proposals, 1 stopped, 1 diverged, 1 failed"
    words = plain(drawn.caption)
    assert words.startswith("The best came as proposal 3; 1 of 3 that finished came later")
    assert "10.00 points above the second best and 20.00 points above the worst" in words


def test_a_search_of_which_nothing_finished_has_no_history() -> None:
    assert search_history.figure([Proposed(1, None, {}, ())], AXIS) is None


@pytest.fixture(scope="module")
def study(make_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """Of which one proposal diverged, one was stopped, one not run, and one was run twice."""
    lab = make_lab(tmp_path_factory.mktemp("search"))
    lab.classes, lab.law = ("bottle", "cable"), by_rate_and_tail
    axis = Search(space=SPACE, trials=FEWEST + 3)
    folder, plan = searched(lab, axis)
    *trials, stopped, diverged, _ = plan.trials
    for trial in trials:
        Ledger(folder).write(scored(lab, trial, by_rate))
    end = Stopped(tasks=1, value=0.55, place=3, among=3)
    update = {"status": "stopped", "stopped": end}
    Ledger(folder).write(scored(lab, stopped, by_rate).model_copy(update=update))
    lab.fail(folder, diverged, "the loss is inf", "diverged")
    write_reports(folder)
    return folder


def test_settings_of_many_proposals_are_told_part_by_part(study: StudyFolder) -> None:
    found = dict(facts(load(study)))
    n = FEWEST + 3
    assert re.fullmatch(
        rf"epochs 60, batch 16, adamp, learning rate [0-9.]+ to [0-9.]+ \({n} values\)",
        str(found["Training"]),
    )
    assert re.match(
        r"coupling blocks 6, LoRA rank \d+ to \d+ \(\d+ values\), DIA", str(found["Flow"])
    )
    assert wrong(study) == []


MADE = ("reports.kinds.search.", "reports.search_")


@pytest.mark.slow
def test_every_number_is_found_a_second_time_and_each_one_that_is_changed(
    study: StudyFolder,
) -> None:
    before = audit_study(study.path)
    assert impossible(before) == []
    unknown = {c["source"] for c in before["claims"] if c["verdict"] == "not checkable"}
    assert not [one for one in unknown if one.startswith(MADE)]
    places = [place for name in TABLES for place in _change(study, name)]
    told = _change_words(study)
    found = impossible(audit_study(study.path))
    assert [place for place in places if not any(place in one for one in found)] == []
    assert [text for text in told if not any(f"says {text}," in one for one in found)] == []
    assert len(places) == sum(map(len, TABLES.values())) and len(told) >= 9


TABLES = {
    "proposals.csv": ("value", "best_so_far", "test", "outcome", "settings"),
    "search_optimism.csv": (
        *("proposals", "by_selection", "test_by_selection", "by_test", "test_by_test"),
        *("difference", "spearman", "spearman_low", "spearman_high", "p"),
    ),
    "search_importance.csv": ("share", "p_holm", "proposals"),
}


def _change(folder: StudyFolder, name: str) -> list[str]:
    """A number of each of these columns in the first line: its place."""
    path = folder.report / "tables" / name
    head, *lines = csv.reader(path.read_text(encoding="utf-8").splitlines())
    for column in TABLES[name]:
        at = head.index(column)
        try:
            value = float(lines[0][at])
            lines[0][at] = str(
                value + (1 if value == int(value) else 0.3 if "p" in column else 1e-6)
            )
        except ValueError:
            lines[0][at] += "1"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *lines])
    return [f"{name} line 2, {column}" for column in TABLES[name]]


def _change_words(folder: StudyFolder) -> list[str]:
    """Every number in a sentence about the search, with another first digit."""
    page = folder.report / "index.html"
    whole = page.read_text(encoding="utf-8")
    kept = re.search(r'<script[^>]*id="sources"[^>]*>(.*?)</script>', whole, re.DOTALL)
    assert kept is not None
    found = json.loads(kept[1])
    told: list[str] = []

    def other(span: re.Match[str]) -> str:
        function = found["functions"][found["pairs"][int(span[2])][0]]
        if not function.startswith(MADE):
            return span[0]
        text = re.sub("[1-9]", lambda digit: str(int(digit[0]) % 9 + 1), span[3], count=1)
        told.append(text)
        return f"{span[1]}{text}</span>"

    sourced = r'(<span class="sourced" data-source="(\d+)"[^>]*>)([^<]*)</span>'
    page.write_text(re.sub(sourced, other, whole), encoding="utf-8")
    return told
