"""Tasks of several classes: a real trial of them, and what the live view says."""

from pathlib import Path

import pytest
from rich.console import Console

from moleflow.config import Config
from moleflow.data.catalog import open_catalog
from moleflow.data.synthetic import make_synthetic
from orchestration import cli
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.events import Attempt, StageFinished, StageStarted, read_events
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger, Record
from orchestration.records.stages import StageRef
from orchestration.records.watch import News
from orchestration.studies.expansion import expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Terms
from orchestration.trial.sequence import run_trial
from orchestration.views.progress import StudyState, TrialState, table

pytestmark = pytest.mark.slow

CLASSES = ("capsule", "fabric", "wood")


def record_of(root: Root, data_root: Path, config: Config, scenario: str) -> Record:
    """The record of a trial, run here on three classes."""
    study = Study(question="?", base=config, classes=CLASSES, scenario=scenario)
    catalog = open_catalog(data_root, CLASSES)
    prints = {name: checked_fingerprint(data, root) for name, data in catalog.items()}
    plan = expand("small", study, str(data_root), prints, {config.backbone: "random:0"})
    assert run_trial(plan.trials[0], root, Terms()) == "finished"
    record = Ledger(root.study("small")).read(plan.trials[0].key)
    assert record is not None
    return record


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_synthetic(tmp_path_factory.mktemp("data") / "synthetic")


def test_a_task_of_two_classes_trains_on_both_and_measures_each(
    tmp_path: Path, data_root: Path, tiny: Config
) -> None:
    root = Root.at(tmp_path / "root")
    record = record_of(root, data_root, tiny, "2-1")
    assert record.order == "capsule+fabric > wood"
    assert {"bank capsule+fabric", "bank wood", "scores fabric"} <= set(record.hashes)
    entries = {(r.step, r.task, r.class_name) for r in record.rows if r.definition == "step"}
    first = {(1, 0, "capsule"), (1, 0, "fabric")}
    assert entries == first | {(2, 0, "capsule"), (2, 0, "fabric"), (2, 1, "wood")}
    assert record.routing is not None
    assert record.routing.tasks == ("capsule+fabric", "wood")
    assert [len(row) for row in record.routing.counts] == [2, 2, 2]
    transfer = [r for r in record.rows if "transfer" in r.definition and r.routing == "oracle"]
    assert transfer and {row.value for row in transfer} == {0.0}
    events = list(read_events(root.study("small").events(record.key)))
    ended = [event.stage for event in events if isinstance(event, StageFinished)]
    done = [stage.task for stage in ended if stage.kind == "evaluation"]
    assert done == ["capsule+fabric", "wood", "summary"]


def test_joint_training_has_final_means_and_neither_transfer_nor_margin(
    tmp_path: Path, data_root: Path, tiny: Config
) -> None:
    record = record_of(Root.at(tmp_path / "root"), data_root, tiny, "joint")
    assert record.sequence == (CLASSES,)
    summaries = {r.definition for r in record.rows if r.definition != "step"}
    assert summaries == {"step_mean", "final_mean", "on_task_mean"}
    final = {(r.metric, r.routing): r.value for r in record.rows if r.definition == "final_mean"}
    for metric in ("image_auroc", "pixel_ap", "aupro"):
        assert final[metric, "routed"] == final[metric, "oracle"]
    assert record.routing is not None and record.routing.smallest_margin is None
    assert "anomaly_maps.png" in record.artifacts


def test_a_tasks_share_of_a_trial_grows_with_its_classes(tiny: Config) -> None:
    study = Study(question="?", base=tiny, scenario="3-1")
    prints = dict.fromkeys("abcd", "print")
    plan = expand("small", study, "/data", prints, {tiny.backbone: "weights"})
    base, scored = StageRef("base", "a+b+c"), StageRef("evaluation", "a+b+c")
    events = (
        Attempt(time=0.0),
        StageFinished(time=30.0, stage=base, seconds=30.0, source="made"),
        StageFinished(time=30.0, stage=scored),
    )
    state = TrialState(plan.trials[0], 0.0)
    for event in events:
        state = state.after(event)
    assert state.fraction == pytest.approx(3 / 4)
    known = StudyState(plan, [], now=0.0)
    known.take(News(plan.trials[0], events))
    # Three classes took 30 s, one is left.
    assert known.time_left(now=30.0) == pytest.approx(10.0)


def test_a_long_name_of_a_task_is_cut_in_the_live_table(tiny: Config) -> None:
    names = [f"class_number_{i}" for i in range(10)]
    study = Study(question="?", base=tiny, scenario="joint")
    prints = dict.fromkeys(names, "print")
    plan = expand("small", study, "/data", prints, {tiny.backbone: "weights"})
    known = StudyState(plan, [], now=0.0)
    at_work = StageStarted(time=0.0, stage=StageRef("base", "+".join(names)))
    known.take(News(plan.trials[0], (at_work,)))
    console = Console(width=120)
    with console.capture() as shown:
        console.print(table(known, 1.0, rows=5))
    (line,) = [line for line in shown.get().splitlines() if "class_number_0" in line]
    assert "class_number_0+class_nu…" in line and "0 of 1" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--classes capsule wood --groups capsule+fabric", "no group holds wood; not among"),
        ("--scenario 10-5", "4 classes do not make a first task of 10"),
        ("--scenario 2-1 --groups capsule+fabric wood", "--scenario and --groups both"),
    ],
)
def test_tasks_that_do_not_fit_are_refused_at_the_command_line(
    options: str,
    message: str,
    data_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = ["--data", str(data_root), "--root", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["moleflow", "run", "task_order", *places, *options.split()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
