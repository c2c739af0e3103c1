"""What reports say of orders and tasks 0 is found a second time, and every changed number too."""

import csv
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from orchestration.records.all_orders import AllOrders, ClassInOrders, write_kept
from orchestration.records.layout import StudyFolder
from orchestration.studies.expansion import Trial
from reports.audit.best import NEARLY, chances, chances_on_pictures, settles
from reports.audit.order_words import RULES
from reports.audit.similarity import RULES as OF_DISTANCES
from reports.audit.study import audit_study
from reports.audit.tests import Layout
from reports.statistics import best, best_over_images, seeds_to_settle
from reports.writing import write_reports
from tests.reports.audited import impossible
from tests.reports.conftest import METRICS, Lab

pytestmark = pytest.mark.slow

CLASSES = ("bottle", "cable", "hazelnut", "metal_nut")


def rival(name: str) -> str:
    return CLASSES[CLASSES.index(name) - 1]


def number(trial: Trial, name: str, rivalled: bool) -> float:
    """A class's own, task 0's effect with a seed's luck, and what a rival takes."""
    first, own = CLASSES.index(trial.sequence[0][0]), CLASSES.index(name)
    luck = 0.004 * math.sin(7.0 * trial.seed + 3 * first + own)
    return 0.9 - 0.03 * own + 0.002 * first + luck - 0.011 * rivalled


def law(trial: Trial, metric: str, name: str, step: int) -> float:
    """One trial has another number than was derived for its order."""
    odd = (trial.seed, trial.sequence[0], name, step) == (2, ("cable",), "cable", 1)
    return number(trial, name, (rival(name),) in trial.sequence[:step]) + 0.001 * odd


def keep(folder: StudyFolder, trial: Trial) -> None:
    """What the router can choose, and distances of pictures."""
    of = {name: tuple(number(trial, name, known) for known in (False, True)) for name in CLASSES}
    first = trial.sequence[0][0]
    classes = tuple(
        ClassInOrders(
            name=name,
            task=name,
            rivals=() if rival(name) == first else (rival(name),),
            choice=(1,) if rival(name) == first else (0, 1),
            values=dict.fromkeys((*METRICS, "routing_accuracy"), of[name]),
            without={},
        )
        for name in trial.classes
    )
    path = folder.artifacts(trial.key)
    path.mkdir(parents=True)
    write_kept(path, AllOrders(trial=trial.key, tasks=trial.classes, classes=classes))
    with (path / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        head = ["class", "picture", "defect", "routed_to"]
        out.writerow([*head, *(f"squared_distance {name}" for name in CLASSES)])
        for i, name in enumerate(CLASSES):
            for picture in range(4):
                far = [1.0 + 3 * abs(i - j) + 0.1 * picture * (1 + j) for j in range(4)]
                out.writerow([name, f"{picture}.png", "", name, *far])


@pytest.fixture(scope="module")
def study(make_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    lab = make_lab(tmp_path_factory.mktemp("ways"))
    lab.law, lab.reports = law, ("task_order",)
    folder, plan = lab.plan(task_zeros=4, orders=1, seeds=(0, 1, 2))
    lab.run(folder, plan.trials)
    for trial in plan.trials:
        keep(folder, trial)
    write_reports(folder)
    return folder


CHANGES: dict[str, tuple[str, Callable[[str], str]]] = {
    "task0_effects-image_auroc.csv": ("probability_best", lambda text: str(float(text) - 0.2)),
    "task0_verdicts.csv": ("probability_best", lambda text: str(float(text) - 0.2)),
    "task0_similarity.csv": ("correlation correlation_low correlation_high p",
                             lambda text: str(float(text) * 0.99 - 1e-6)),
}  # fmt: skip


def test_every_number_is_found_a_second_time_and_each_one_that_is_changed(
    study: StudyFolder,
) -> None:
    before = audit_study(study.path)
    assert impossible(before) == []
    pages = {c["source"] for c in before["claims"] if c["verdict"] == "not checkable"}
    assert not pages & {*RULES, *OF_DISTANCES}
    places = [place for name, change in CHANGES.items() for place in _change(study, name, *change)]
    places += _change(study, "task0_verdicts.csv", "seeds_to_settle", lambda text: text + "9")
    told = _change_words(study)
    found = impossible(audit_study(study.path))
    lost = [place for place in places if not any(place in one for one in found)]
    assert not lost
    assert not [text for _, text in told if not any(f"says {text}," in one for one in found)]
    # Where orders matter by design, or nothing was kept, there are studies of their own
    # (test_order_answer, test_all_orders_report).
    assert {name for name, _ in told} == {*RULES, *OF_DISTANCES} - {
        "reports.order_answer._of_orders",
        "reports.all_orders._nothing_kept",
    }


def _change(
    folder: StudyFolder, name: str, columns: str, change: Callable[[str], str]
) -> list[str]:
    """A number of each of these columns in the first line: its place."""
    path = folder.report / "tables" / name
    head, *lines = csv.reader(path.read_text(encoding="utf-8").splitlines())
    for column in columns.split():
        lines[0][head.index(column)] = change(lines[0][head.index(column)])
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *lines])
    return [f"{name} line 2, {column}" for column in columns.split()]


def _change_words(folder: StudyFolder) -> list[tuple[str, str]]:
    """Numbers and names in the page's sentences on orders, each number by its first digit that is
    not 0, and what made them."""
    path = folder.report / "index.html"
    whole = path.read_text(encoding="utf-8")
    told: list[tuple[str, str]] = []

    def other(found: re.Match[str]) -> str:
        names = [one for one in (*RULES, *OF_DISTANCES) if f'by {one}"' in found[0]]
        if not names:
            return found[0]
        digit = "[1-9]" if re.search("[1-9]", found[2]) else "0"
        text = re.sub(digit, lambda one: str(int(one[0]) % 9 + 1), found[2], count=1)
        text = text if text != found[2] else "something else"
        told.append((names[0], text))
        return f"{found[1]}{text}</span>"

    path.write_text(re.sub(r"(<span class=\"sourced\"[^>]*>)([^<]*)</span>", other, whole), "utf-8")
    return told


@pytest.mark.parametrize("groups", [2, 3, 8])
def test_which_is_best_comes_out_the_same_by_drawing_as_by_integrals(groups: int) -> None:
    draws = np.random.default_rng(groups)
    values = 0.9 + draws.normal(0, 0.01, (groups, 1)) + draws.normal(0, 0.01, (groups, 4))
    found = Layout(tuple(map(str, range(groups))), tuple(map(tuple, values.tolist())))
    assert chances(found, 4) == pytest.approx(best(values).probability, abs=NEARLY)
    more = seeds_to_settle(values)

    def by_drawing(seeds: int) -> list[float]:
        return chances(found, seeds)

    assert settles(4, "" if more is None else str(more), by_drawing)
    assert not settles(4, str(2 * (more or 0) + 5), by_drawing)


@pytest.mark.parametrize("groups", [2, 3, 8])
def test_which_is_best_on_other_pictures_comes_out_the_same_by_another_draw(groups: int) -> None:
    draws = np.random.default_rng(groups)
    values = 0.9 + draws.normal(0, 0.01, (groups, 1)) + draws.normal(0, 0.01, (groups, 4))
    found = Layout(tuple(map(str, range(groups))), tuple(map(tuple, values.tolist())))
    root = draws.normal(0, 0.01 / groups**0.5, (groups, groups))
    covariance = root @ root.T + 1e-4  # and what moves all alike
    wanted = best_over_images(values, covariance).probability
    assert chances_on_pictures(found, covariance, 4) == pytest.approx(wanted, abs=NEARLY)
    assert max(wanted) < max(best(values).probability) - NEARLY
