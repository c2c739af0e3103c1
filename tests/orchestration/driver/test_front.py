"""The front door: a study from Python."""

import subprocess
import sys
from pathlib import Path

import pytest

import orchestration
from moleflow.config import Config
from moleflow.data.synthetic import make_synthetic
from moleflow.errors import StudyError
from orchestration import Grid, Result, Study, load, run
from orchestration.driver.front import name_of
from orchestration.records import results
from orchestration.records.layout import Root
from orchestration.studies.terms import Resources

pytestmark = pytest.mark.slow

TOP = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_synthetic(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def study(tiny: Config) -> Study:
    return Study(
        question="Does the tail's weight matter?",
        base=tiny.updated({"training.epochs": 2, "training.warmup_epochs": 1}),
        classes=("fabric", "wood"),
        axes=(Grid(field="loss.tail_weight", values=(0.0, 0.7)),),
    )


@pytest.fixture(scope="module")
def begun(study: Study, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Its records and report are looked at here: later they are those of the whole."""
    root = tmp_path_factory.mktemp("root")
    found = run(study, data=data, root=root, runner="inline", name="tails", quiet=True, first=1)
    assert len(found.finished) == found.left == 1 and found.report.is_file()
    return found


@pytest.fixture(scope="module")
def ran(study: Study, data: Path, begun: Result) -> Result:
    return run(study, data=data, root=begun.root, runner="inline", name="tails", quiet=True)


def test_the_first_trials_run_and_the_same_call_without_that_runs_the_rest(
    begun: Result, ran: Result
) -> None:
    """The first one is that of the base."""
    assert [record.config.loss.tail_weight for record in begun.finished] == [0.7]
    assert len(ran.finished) == 2
    assert begun.finished[0] in ran.finished


def test_a_study_from_python_ends_with_its_trials_numbers_and_report(ran: Result) -> None:
    assert len(ran.finished) == 2 and not ran.failed and ran.left == 0
    assert set(ran.frame["axis.loss.tail_weight"]) == {"0.0", "0.7"}
    assert ran.report.is_file()


def test_where_all_has_finished_a_gpu_that_is_missing_is_told_and_stops_nothing(
    study: Study, data: Path, ran: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Resources(gpus_per_trial=64)
    again = run(study, data=data, root=ran.root, name="tails", quiet=True, resources=asked)
    assert again.finished == ran.finished and again.left == 0
    assert "64 GPUs, and no node has as much" in capsys.readouterr().err


def test_a_study_that_was_run_is_loaded_with_neither_torch_nor_ray_nor_mlflow(ran: Result) -> None:
    code = f"""
import sys
from orchestration import load
result = load({str(ran.root)!r}, "tails")
print(len(result.frame), len(result.finished))
assert not {{"torch", "ray", "mlflow"}} & set(sys.modules), "heavy"
"""
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TOP
    )
    assert told.stdout.split() == [str(len(ran.frame)), "2"]


def test_the_frame_is_that_of_the_ledger_whatever_became_of_the_table(ran: Result) -> None:
    folder = Root.at(ran.root).study("tails")
    before = ran.frame
    kept = folder.results.read_bytes()
    try:
        stale = before.iloc[:3]
        stale.to_parquet(folder.results)
        assert load(ran.root, "tails").frame.equals(before)
        folder.results.write_bytes(b"no table")
        assert load(ran.root, "tails").frame.equals(before)
        folder.results.unlink()
        assert load(ran.root, "tails").frame.equals(before)
    finally:
        folder.results.write_bytes(kept)
    assert results.current(folder).equals(before)


def test_the_same_call_again_runs_nothing_twice(study: Study, data: Path, ran: Result) -> None:
    again = run(study, data=data, root=ran.root, runner="inline", name="tails", quiet=True)
    assert [one.ended for one in again.finished] == [one.ended for one in ran.finished]


def test_the_environment_is_as_before(ran: Result) -> None:
    code = f"""
import os
before = dict(os.environ)
from orchestration import run
try:
    run("quickstart", root={str(ran.root)!r}, retry=("gone",), quiet=True)
except Exception as error:
    print(type(error).__name__)
assert dict(os.environ) == before
"""
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TOP
    )
    assert told.stdout.split() == ["StudyError"]


def test_what_was_never_run_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no study 'mine'"):
        load(tmp_path, "mine")


def test_a_study_without_a_name_is_called_after_its_question() -> None:
    assert name_of("Does the tail's weight matter?") == "does_the_tail_s_weight_matter"
    assert name_of("…") == "study"
    assert len(name_of("word " * 100)) <= 40


@pytest.mark.soak
def test_python_of_the_readme_does_what_it_shows(data: Path, tmp_path: Path) -> None:
    blocks = (TOP / "README.md").read_text().split("```python\n")[1:]
    code = next(block for block in blocks if "import Grid, Study, run" in block).partition("```")[0]
    for shown, here in (
        ("DATA", str(data)),
        ('"runs"', repr(str(tmp_path))),
        ("quick()", 'quick().updated({"backbone.weights": "random", "training.epochs": 3})'),
    ):
        code = code.replace(shown, here)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=TOP)
    assert told.returncode == 0, told.stderr
    assert told.stdout.split()[-3:] == ["4", "0", str(load(tmp_path, "tails").report)]


@pytest.mark.soak
def test_two_studies_run_through_ray_in_one_process(
    study: Study, data: Path, tmp_path: Path
) -> None:
    code = f"""
import sys
from orchestration import Study, run
study = Study.model_validate_json({study.model_dump_json()!r})
for name in ("one", "two"):
    result = run(study, data={str(data)!r}, root={str(tmp_path)!r}, name=name, sharing=False)
    print(len(result.finished))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=TOP)
    assert told.returncode == 0, told.stderr
    assert [line for line in told.stdout.splitlines() if line in "0 1 2"] == ["2", "2"]


def test_every_public_name_is_there() -> None:
    for name in orchestration.__all__:
        assert getattr(orchestration, name).__doc__
    assert set(orchestration.__all__) <= set(dir(orchestration))
