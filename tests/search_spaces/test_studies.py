"""Every study of the package: it expands, is what its docstring says, and is listed."""

import functools
import re
from pathlib import Path
from typing import Any

import pytest

from moleflow.config import Config
from moleflow.errors import StudyError
from orchestration.commands.studies import studies
from orchestration.studies.catalog import docstring_of, known_studies, load_study
from orchestration.studies.expansion import Plan, expand, order_numbers
from orchestration.studies.orders import left_out
from orchestration.studies.points import settings_of
from reports import kinds
from tests.class_names import MVTEC, OTHERS, VISA

TOP = Path(__file__).resolve().parents[2]
SEQUENCES = {
    "core_components": 8,
    "flow_blocks": 22,
    "training_strategy": 3,
    "lora_rank": 4,
    "logdet_weight": 4,
    "context_kernel": 4,
    "mixer_kernel": 4,
    "tail_weight": 7,
    "tail_ratio": 5,
    "score_top_k": 4,
    "interactions": 100,
    "whitening_bounds": 20,
    "lora_alpha": 4,
    "context_synergy": 20,
    "task_order": 15,
    "task0": 15,
    "all_task0": 75,
    "noise_floor": 10,
    "strategies": 12,
    "quickstart": 8,
    "grid": 1,
    "papers": 239,
    "dia_context": 10,
    "framework_versions": 15,
    "backbones": 12,
    "lora_spectrum": 3,
    "independent_training": 6,
    "distribution_shift": 15,
    "scenarios": 18,
    "order_families": 27,
    "profiles": 15,
    "data_fraction": 30,
    "resolution": 18,
    "seeding": 30,
    "search": 8,
    "everything": 535,
}
"""Asked for, on MVTec's classes."""


@functools.cache
def planned(name: str, classes: tuple[str, ...]) -> Plan:
    _, study = load_study(name)
    weights = {config.backbone: "weights" for config in settings_of(study)}
    return expand(name, study, "/data", {c: f"print of {c}" for c in classes}, weights)


@pytest.mark.parametrize("classes", [MVTEC, VISA, OTHERS], ids=["mvtec", "visa", "others"])
@pytest.mark.parametrize("name", known_studies())
def test_every_study_fits_the_classes_that_there_are(name: str, classes: tuple[str, ...]) -> None:
    plan = planned(name, classes)
    assert len({trial.key for trial in plan.trials}) == len(plan.trials) > 0
    assert all(sorted(trial.classes) == sorted(classes) for trial in plan.trials)


@pytest.mark.parametrize("name", known_studies())
def test_every_study_asks_for_as_many_sequences_as_it_says(name: str) -> None:
    assert planned(name, MVTEC).asked == SEQUENCES[name]
    if SEQUENCES[name] > 1:
        assert str(SEQUENCES[name]) in docstring_of(name)


def test_the_papers_share_what_they_share() -> None:
    """239 asked for. Of `task_order`'s orders two are those of `task0`, with three seeds each: six
    fewer distinct ones than where its orders are all of its own (153)."""
    plan = planned("papers", MVTEC)
    assert (plan.asked, len(plan.trials)) == (239, 147)
    both = [set(order_numbers(planned(name, MVTEC))) for name in ("task_order", "task0")]
    assert len(both[0] & both[1]) == 3  # the alphabetical one is in every study


@pytest.mark.parametrize("name", known_studies())
def test_every_report_that_a_study_asks_for_is_there(name: str) -> None:
    _, study = load_study(name)
    assert set(study.reports) <= set(kinds.known())


@pytest.mark.parametrize("name", sorted({*known_studies()} - {"quickstart", "grid"}))
def test_a_docstring_names_the_reports_that_its_study_feeds(name: str) -> None:
    _, study = load_study(name)
    said = docstring_of(name).partition("Feeds:")[2].partition("Published")[0]
    named = [word for word in re.findall(r"`(\w+)`", said) if word in kinds.known()]
    assert sorted(named) == sorted(study.reports)


@pytest.mark.parametrize("name", known_studies())
def test_a_docstring_tells_the_question_and_the_command(name: str) -> None:
    text = docstring_of(name)
    first = text.splitlines()[0]
    assert first.endswith((load_study(name)[1].question, ".")) and f"moleflow run {name}" in text


def test_everything_is_every_study_but_a_search_and_two_that_ask_nothing_of_the_method() -> None:
    parts: set[str] = set()
    for union in ("everything", "papers"):
        _, study = load_study(union)
        parts |= study.parts.keys()
        for name, part in study.parts.items():
            assert part == load_study(name)[1]
    assert parts == set(known_studies()) - {"quickstart", "grid", "everything", "search"}


@pytest.mark.parametrize("name", ["papers", "everything"])
def test_the_docstring_of_a_union_says_how_many_of_its_sequences_differ(name: str) -> None:
    plan = planned(name, MVTEC)
    assert f"{len(plan.trials)} differ." in " ".join(docstring_of(name).split())


def test_expanding_makes_each_setting_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders and seeds cost a hash each: configs, which take longest, are made once a setting."""
    _, study = load_study("everything")
    made = 0
    updated = Config.updated

    def counted(config: Config, overrides: dict[str, Any]) -> Config:
        nonlocal made
        made += 1
        return updated(config, overrides)

    monkeypatch.setattr(Config, "updated", counted)
    settings_of(study)
    settings, made = made, 0
    weights = {config.backbone: "weights" for part in study.leaves for config in settings_of(part)}
    made = 0
    expand("everything", study, "/data", {c: c for c in MVTEC}, weights)
    assert made <= settings


def test_scenarios_are_cut_in_the_shares_that_papers_have() -> None:
    found = {
        len(classes): {t.axes["scenario"] for t in planned("scenarios", classes).trials}
        for classes in (MVTEC, VISA, OTHERS)
    }
    assert found == {
        15: {"1-1", "3-3", "5-5", "10-1", "10-5", "14-1"},
        12: {"1-1", "4-4", "8-1", "8-4", "11-1"},
        4: {"1-1", "3-1"},
    }


def test_scenarios_of_two_classes_are_refused_with_what_to_say() -> None:
    with pytest.raises(StudyError, match="only 1-1 comes out whole; say one with --scenario"):
        planned("scenarios", ("a", "b"))


def test_orders_that_classes_do_not_fit_are_left_out_and_said() -> None:
    _, study = load_study("order_families")
    names = {
        len(classes): {t.axes["ordering"] for t in planned("order_families", classes).trials}
        for classes in (MVTEC, VISA, OTHERS)
    }
    assert names[15] - names[12] == {"textures_first", "objects_first"}
    assert names[12] - names[4] == {"easy_first", "hard_first"}
    told = left_out(study, OTHERS)
    assert len(told) == 4 and all(line.startswith("left out: ") for line in told)
    assert left_out(study, MVTEC) == []


def listed() -> list[str]:
    """Lines of the table in `search_spaces/README.md`."""
    lines = ["| study | question | sequences |", "|---|---|---|"]
    for name in known_studies():
        question = docstring_of(name).splitlines()[0]
        lines.append(f"| `{name}` | {question} | {SEQUENCES[name]} |")
    return lines


def test_the_list_of_studies_is_that_of_their_docstrings() -> None:
    readme = (TOP / "search_spaces" / "README.md").read_text(encoding="utf-8").splitlines()
    found = [line for line in readme if line.startswith("|")]
    assert found == listed(), "put this into search_spaces/README.md:\n" + "\n".join(listed())


def test_a_study_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert studies("task0") == 0
    assert capsys.readouterr().out.strip() == docstring_of("task0").strip()
