"""What is refused before a picture is looked at, and what belongs to a study's name."""

from pathlib import Path

import pytest

from moleflow import profiles
from moleflow.data.synthetic import make_synthetic
from moleflow.errors import StudyError
from orchestration.commands.options import read_settings
from orchestration.driver.planning import Planning, check_source
from orchestration.records.layout import Root
from orchestration.records.plans import write_plan
from orchestration.studies.axes import Orders
from orchestration.studies.expansion import Plan
from orchestration.studies.overrides import Request
from orchestration.studies.study import Study

pytestmark = pytest.mark.slow

STUDY = Study(question="?", base=profiles.quick(), axes=(Orders(count=2),))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_synthetic(tmp_path_factory.mktemp("data") / "synthetic"))


def planned(root: Root, source: str, name: str = "mine") -> None:
    write_plan(
        Plan(name=name, study=STUDY, data_root="/", trials=(), source=source), root.study(name)
    )


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
