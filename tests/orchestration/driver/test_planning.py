"""What is refused before a picture is looked at, and what belongs to a study's name."""

from pathlib import Path

import pytest

from moleflow import profiles
from moleflow.data.synthetic import make_synthetic
from moleflow.errors import StudyError
from orchestration.commands.options import read_settings
from orchestration.driver.one_name import check_source, no_longer_asked
from orchestration.driver.planning import Planning
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.records.plans import plan_of, write_plan
from orchestration.studies.axes import Orders
from orchestration.studies.expansion import Plan
from orchestration.studies.overrides import Request
from orchestration.studies.study import Study
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow

STUDY = Study(question="?", base=profiles.quick(), axes=(Orders(count=2),))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_synthetic(tmp_path_factory.mktemp("data") / "synthetic"))


def planned(root: Root, source: str, name: str = "mine", packaged: str = "") -> None:
    where = {"data_root": "/", "source": source, "packaged": packaged}
    write_plan(Plan(name=name, study=STUDY, trials=(), **where), root.study(name))


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Two files of one name."""
    found = [tmp_path / folder / "mine.py" for folder in ("one", "two")]
    for path in found:
        path.parent.mkdir()
        path.write_text("")
    return str(found[0]), str(found[1])


def test_two_files_of_one_name_are_not_one_study(root: Root, files: tuple[str, str]) -> None:
    one, two = files
    check_source(root.study("mine"), one)
    planned(root, one)
    check_source(root.study("mine"), one)
    with pytest.raises(StudyError, match="another name") as error:
        check_source(root.study("mine"), two)
    assert one in str(error.value) and two in str(error.value)


def test_a_file_that_has_moved_or_has_another_path_goes_on(
    root: Root, files: tuple[str, str], tmp_path: Path
) -> None:
    one, two = files
    planned(root, one)
    (tmp_path / "link").symlink_to(Path(one).parent)
    check_source(root.study("mine"), str(tmp_path / "link" / "mine.py"))
    Path(one).unlink()
    check_source(root.study("mine"), two)


def test_a_file_with_the_name_of_a_study_of_the_package_is_another_one(
    root: Root, files: tuple[str, str]
) -> None:
    planned(root, "", "task_order")
    with pytest.raises(StudyError, match="the one of the package"):
        check_source(root.study("task_order"), files[0])
    planned(root, files[0], "task_order")
    with pytest.raises(StudyError, match="the one of the package"):
        check_source(root.study("task_order"), "")


def test_another_study_of_the_package_is_another_one_under_a_name_of_ones_own(
    root: Root, files: tuple[str, str]
) -> None:
    folder, asked = root.study("mine"), STUDY.question
    planned(root, "", packaged="grid")
    check_source(folder, "", "grid", "the same one, whose question a newer version words anew")
    check_source(folder, "", "", asked)  # from Python
    for source, packaged in (("", "task_order"), (files[0], ""), ("", "")):
        with pytest.raises(StudyError, match=r"is grid of the package, .*choose another --root"):
            check_source(folder, source, packaged, "Something else?")


def test_a_plan_of_before_does_not_say_its_study_and_is_known_by_its_question(root: Root) -> None:
    planned(root, "")
    check_source(root.study("mine"), "", "grid", STUDY.question)
    check_source(root.study("mine"), "", "", "One from Python, worded anew?")
    with pytest.raises(StudyError, match="give it another --name"):
        check_source(root.study("mine"), "", "grid", "Something else?")
    planned(root, "", "task_order")
    check_source(root.study("task_order"), "", "task_order", "Worded anew?")


def test_a_plan_keeps_which_study_of_the_package_it_is(root: Root, data: str) -> None:
    planning = Planning("mine", STUDY, data, root, print, packaged="grid")
    found = planning.finish(lambda: {STUDY.base.backbone: "weights"})
    assert (found.packaged, plan_of(root.study("mine")).packaged) == ("grid", "grid")
    with pytest.raises(StudyError, match="and this is task_order of the package"):
        Planning("mine", another(), data, root, print, packaged="task_order")


def test_trials_on_record_that_a_later_command_does_not_ask_for_are_counted(root: Root) -> None:
    lab = Lab(root)
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1, 2, 3))
    lab.run(folder, plan.trials[:3])
    assert no_longer_asked(plan, folder) == ""
    fewer = plan.model_copy(update={"trials": plan.trials[:2]})
    assert no_longer_asked(fewer, folder).startswith("1 trial on record is not in this plan: its")
    none = plan.model_copy(update={"trials": plan.trials[3:]})
    assert no_longer_asked(none, folder).startswith("3 trials on record are not in this plan")
    older = lab.record(plan.trials[0]).model_copy(update={"result_versions": {"trial": 0}})
    Ledger(folder).write(older)  # runs again, and is told then
    assert no_longer_asked(none, folder).startswith("2 trials")


def another() -> Study:
    return STUDY.model_copy(update={"question": "Something else?"})


def test_a_slip_of_many_trials_is_refused_and_says_how_many(root: Root, data: str) -> None:
    request = Request(data=data)
    many = STUDY.model_copy(update={"seeds": tuple(range(6000))})
    with pytest.raises(StudyError, match=r"12000 trials.*--most-trials 12000"):
        Planning("mine", many, request.data, root, print)
    Planning("mine", many, request.data, root, print, most=12000)


def test_of_settings_that_are_given_twice_the_last_counts_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert read_settings(("a=1", "b=2", "a=1")) == {"a": 1, "b": 2}
    assert capsys.readouterr().err == ""
    assert read_settings(("a=1", "b=2", "a=2")) == {"a": 2, "b": 2}
    assert "--set a: is given twice, as 1 and as 2" in capsys.readouterr().err
    assert read_settings(("a=" + "[" * 100_000,)) == {"a": "[" * 100_000}
