"""Seconds that are predicted from what was measured."""

import platform
from collections.abc import Callable

import pytest

from moleflow.config import Config
from orchestration.records.forecasts import Forecast, keep_forecast, read_forecasts
from orchestration.records.layout import Root
from orchestration.records.ledger import ClassSummary, Failure, Ledger, Record, Span, StageSource
from orchestration.records.plans import write_plan
from orchestration.records.stages import StageRef
from orchestration.runners.runner import describe_failure
from orchestration.sharing.groups import keys_of
from orchestration.studies.axes import Grid
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Resources
from orchestration.views.compared import compared
from orchestration.views.rates import Rates, known_rates
from orchestration.views.record_brief import brief
from orchestration.views.speeds import Machine, machine, table_rates
from orchestration.views.status import study_status

TABLE = table_rates(Machine("", 1.0), "float32")
PICTURES = {"a": 100, "b": 50}


def planned(**changes: object) -> Plan:
    base = Config().updated(changes)
    axes = (Grid(field="flow.blocks", values=(2, 4)),)
    study = Study(question="?", base=base, axes=axes)
    return expand("rates", study, "/data", {"a": "x", "b": "y"}, {base.backbone: "w"})


def record_of(trial: Trial, root: Root, seconds: float, host: str = "", threads: int = 1) -> Record:
    """Each picture and epoch of a task takes so many seconds, and each test picture a tenth."""
    record = describe_failure(trial, Failure(kind="", message=""), root.study("rates"), 0.0)
    epochs = trial.config.training.epochs
    stages = {
        StageRef("adapter" if i else "base", name): StageSource(
            kind="adapter" if i else "base",
            key=f"{trial.key}{name}",
            source="made",
            trial=trial.key,
            seconds=PICTURES[name] * epochs * seconds,
        )
        for i, (name,) in enumerate(trial.sequence)
    }
    trained = sum(source.seconds for source in stages.values())
    data = {
        name: ClassSummary(train=count, test_good=10, test_anomalous=10, masks=10)
        for name, count in PICTURES.items()
    }
    changes = {
        "status": "finished",
        "failure": None,
        "stages": stages,
        "data": data,
        "device": "cpu:avx2",
        "threads": threads,
        "host": host,
        "seconds": {StageRef("evaluation", "a"): 4.0},
        "started": 1000.0,
        "ended": 1007.0 + trained,
        "spans": (Span(started=1000.0, ended=1007.0 + trained),),
    }
    return record.model_copy(update=changes)


@pytest.fixture
def keep(root: Root) -> Callable[..., Record]:
    def write(trial: Trial, seconds: float, **how: object) -> Record:
        record = record_of(trial, root, seconds, **how)
        Ledger(root.study("rates")).write(record)
        return record

    return write


def rates_of(root: Root, plan: Plan, threads: int = 1) -> Rates:
    write_plan(plan, root.study("rates"))
    return known_rates(root, Resources(cpus_per_trial=threads), TABLE)


def test_a_task_takes_what_tasks_of_its_setting_took_per_picture(
    root: Root, keep: Callable[..., Record]
) -> None:
    plan = planned()
    keep(plan.trials[0], 0.01)
    config = plan.trials[0].config
    found = rates_of(root, plan)
    assert found.measured and "1 trial" in found.basis
    for base_too in (True, False):
        took = found.training(config, base_too=base_too, pictures=70)
        assert took == pytest.approx(70 * config.training.epochs * 0.01)


def test_another_setting_takes_more_by_its_arithmetic(
    root: Root, keep: Callable[..., Record]
) -> None:
    plan = planned()
    keep(plan.trials[0], 0.01)
    found = rates_of(root, plan)
    small, large = (
        found.training(trial.config, base_too=False, pictures=10) for trial in plan.trials
    )
    assert 1.5 * small < large < 2.5 * small


def test_evaluation_and_start_are_those_of_measured_trials(
    root: Root, keep: Callable[..., Record]
) -> None:
    plan = planned()
    keep(plan.trials[0], 0.01)
    found = rates_of(root, plan)
    assert found.start == pytest.approx(3.0)
    assert found.besides(plan.trials[0].config, 40, trains=True) == pytest.approx(4.0 + 3.0)


def test_trials_on_other_numbers_of_threads_tell_nothing(
    root: Root, keep: Callable[..., Record]
) -> None:
    plan = planned()
    keep(plan.trials[0], 0.01, threads=8)
    assert rates_of(root, plan) == TABLE
    assert rates_of(root, plan, threads=8).measured


def test_records_that_are_damaged_tell_nothing(root: Root, keep: Callable[..., Record]) -> None:
    plan = planned()
    whole, cut = (keep(trial, 0.01) for trial in plan.trials)
    folder = root.study("rates")
    path = folder.record(cut.key)
    path.write_bytes(path.read_bytes()[:-100])
    (folder.trials / "folder.json").mkdir()
    (folder.trials / "gone.json").symlink_to(folder.trials / "nowhere")
    assert rates_of(root, plan).basis.startswith("1 trial ")
    path.unlink()
    folder.record(whole.key).unlink()
    assert rates_of(root, plan) == TABLE


def test_trials_of_this_very_machine_count_alone_where_there_are_any(
    root: Root, keep: Callable[..., Record]
) -> None:
    plan = planned()
    keep(plan.trials[0], 0.01, host=platform.node())
    keep(plan.trials[1], 5.0, host="elsewhere")
    found = rates_of(root, plan)
    assert "this machine" in found.basis
    assert found.training(plan.trials[1].config, base_too=True, pictures=1) < 60


def test_the_table_knows_a_step_on_a_gpu_takes_no_less_than_its_launch() -> None:
    small = Config().updated({"patches.dim": 64, "image.size": 64, "flow.blocks": 1})
    steps = small.training.epochs * 160 / small.training.batch_size
    found = table_rates(machine(Resources(gpus_per_trial=1, accelerator="A100")), "float32")
    assert found.training(small, base_too=False, pictures=160) == pytest.approx(0.002 * steps)


def test_a_forecast_is_compared_with_what_was_made_after_it(
    root: Root, keep: Callable[..., Record]
) -> None:
    plan = planned()
    keys, first = keys_of(plan), plan.trials[0]
    base, later = keys.tasks[first.key]
    forecast = Forecast(
        made=900.0,
        basis="a table",
        workers=1,
        computing=10.0,
        wall=10.0,
        tasks={base: 50.0, later: 40.0, "never": 9.0},
        trials={first.key: 100.0},
    )
    keep_forecast(forecast, root.study("rates"))
    keep_forecast(changed(forecast, made=1e12), root.study("rates"))
    record = keep(first, 0.01)
    one, none = compared(read_forecasts(root.study("rates")), keys, {first.key: brief(record)})
    assert (one.tasks, one.expected, one.took) == (2, 90.0, pytest.approx(90.0))
    assert (one.trials, one.expected_at_work, one.took_at_work) == (1, 100.0, pytest.approx(97.0))
    assert "2 tasks 90 s, took 90 s (+0%), 1 trial 100 s" in one.sentence
    assert not none.sentence
    assert len(study_status(plan, root, 2000.0).forecasts) == 2


def changed(forecast: Forecast, **changes: object) -> Forecast:
    return forecast.model_copy(update=changes)
