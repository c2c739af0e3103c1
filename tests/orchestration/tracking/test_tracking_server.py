"""The same laws on every store: a SQLite file, a tracking server, PostgreSQL behind and without
one."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from moleflow.config import Config
from moleflow.measurement import Measurement
from orchestration.records.events import Attempt, Epoch, EventLog, numbers_of, read_events
from orchestration.records.layout import Root
from orchestration.records.ledger import ClassSummary, Failure, Ledger
from orchestration.records.plans import write_plan
from orchestration.records.stages import StageRef
from orchestration.studies.axes import Grid
from orchestration.studies.expansion import Plan, Trial, expand, order_numbers
from orchestration.studies.study import Study
from orchestration.tracking.address import default_uri
from orchestration.tracking.exporter import sync
from orchestration.tracking.mlflow.naming import run_name
from orchestration.tracking.mlflow.owner import owner_of
from tests.orchestration.tracking.stores import (
    begin_trial,
    contents,
    end_trial,
    leave_model,
    logged_models,
    make_database,
    no_warning,
    postgres,
    postgres_programs,
    served,
    small_plan,
    write_report,
)

pytestmark = pytest.mark.slow

STORES = ("sqlite", "server", "postgres", pytest.param("postgres server", marks=pytest.mark.soak))
ENDS = ("finished", "diverged", "failed", "open")
STRANGE = ("schraube größe 5", "zipper", "瓶子")
FIRST = STRANGE[0]
EPOCHS = 1200
LONG = "/weights/" + "x" * 7000


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    programs = postgres_programs()
    if programs is None or find_spec("psycopg2") is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl, or psycopg2, are not installed")
    with postgres(programs) as uri:
        yield uri


@dataclass(frozen=True)
class Story:
    """A study in one store: what the store held after each act."""

    root: Root
    plan: Plan
    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    strange: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def of(self, act: str, index: int) -> dict[str, Any]:
        """The run of that trial."""
        return self.held[act][self.plan.trials[index].key]


@pytest.fixture(scope="module", params=STORES)
def story(request: pytest.FixtureRequest, tmp_path_factory) -> Iterator[Story]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    root = Root.at(folder / "a root")
    with ExitStack() as stack:
        backend = uri = None
        if request.param.startswith("postgres"):
            name = f"tracked_{request.param}".replace(" ", "_")
            backend = uri = make_database(request.getfixturevalue("database"), name)
        if request.param.endswith("server"):
            uri = stack.enter_context(served(folder, backend or "")).uri
        yield tell(root, uri)


def tell(root: Root, uri: str | None) -> Story:
    where, story = uri or default_uri(root), Story(root, small_plan(root))
    trials = story.plan.trials

    def act(name: str, plan: Plan = story.plan) -> None:
        """A tracker of its own, as in a later process."""
        from orchestration.tracking.mlflow.runs import MlflowTracker

        assert sync(plan, root.study("small"), MlflowTracker(root, uri), no_warning)
        story.held[name] = contents(where)

    for trial, status in zip(trials, ENDS, strict=True):
        begin_trial(root, trial)
        if status != "open":
            end_trial(root, trial, status)
    write_report(root, "small")
    act("first")
    act("again")
    forget_all(where)
    act("all again")
    log = EventLog(root.study("small").events(trials[3].key))
    log.add(Attempt())
    log.add(Epoch(stage=StageRef("base", "bottle"), numbers={"loss": 0.125}, epochs=9, epoch=4))
    end_trial(root, trials[3])
    act("resumed")
    act("fewer seeds", small_plan(root, seeds=(1,)))
    story.strange.update(strange_study(root, uri))
    story.settings.update(settings_study(root, uri))
    return story


def forget_all(uri: str) -> None:
    """As if each run had been left just before its end: everything will be sent again."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    for run in client.search_runs([experiment.experiment_id]):
        client.update_run(run.info.run_id, status="RUNNING")
        for tag in {"moleflow.complete", "moleflow.report"} & set(run.data.tags):
            client.delete_tag(run.info.run_id, tag)


def strange_study(root: Root, uri: str | None) -> dict[str, Any]:
    """One trial with more metrics, longer texts and other letters than are usual."""
    from orchestration.tracking.mlflow.runs import MlflowTracker

    grid = Grid(field="backbone.weights", values=(LONG,))
    fields = {"axes": (grid,), "seeds": (0,), "question": "Größer? 瓶"}
    plan = strange_plan(root, fields)
    (trial,) = plan.trials
    begin_trial(root, trial, epochs=EPOCHS)
    numbers = {"loss": float("nan"), "grad_norm": float("inf")}
    failure = Failure(kind="DivergedError", message="loss nan\0" + "y" * 9000, numbers=numbers)
    end_trial(root, trial, "diverged", failure=failure)
    assert sync(plan, root.study(plan.name), MlflowTracker(root, uri), no_warning)
    held = contents(uri or default_uri(root), plan.name)[trial.key]
    events = list(read_events(root.study(plan.name).events(trial.key)))
    return {"run": held, "events": events, "trial": trial}


def settings_study(root: Root, uri: str | None) -> dict[str, Any]:
    """Two settings of two seeds; first one trial is open, then all have finished."""
    from orchestration.tracking.mlflow.runs import MlflowTracker

    grid = Grid(field="training.lr", values=(0.001, 0.002))
    plan, held = small_plan(root, "settings", axes=(grid,)), dict[str, Any]()
    models: list[dict[str, Any]] = []

    def end(number: int, trial: Trial) -> None:
        value = Measurement(3, -1, "", "image_auroc", "final_mean", "routed", number / 8)
        data = {"wood": ClassSummary(train=5, test_good=2, test_anomalous=3, masks=3)}
        end_trial(root, trial, rows=(value,), data=data, git="c0ffee+changes-12345678")

    for number, trial in enumerate(plan.trials):
        begin_trial(root, trial)
        leave_model(root, trial)
        if trial != plan.trials[-1]:
            end(number, trial)
    for act in ("early", "late"):
        if act == "late":
            end(3, plan.trials[-1])
        for _ in range(2):
            assert sync(plan, root.study(plan.name), MlflowTracker(root, uri), no_warning)
            held.setdefault(act, []).append(contents(uri or default_uri(root), plan.name))
            models.append(logged_models(uri or default_uri(root), plan.name))
    half_logged(root, uri, plan)
    assert sync(plan, root.study(plan.name), MlflowTracker(root, uri), no_warning)
    models.append(logged_models(uri or default_uri(root), plan.name))
    record = Ledger(root.study(plan.name)).read(plan.trials[0].key)
    assert record is not None
    versions = [
        MlflowTracker(root, uri).register(record, root.study(plan.name), "pcb", "champion")
        for _ in range(2)
    ]
    return {"plan": plan, "models": models, "versions": versions, **held}


def half_logged(root: Root, uri: str | None, plan: Plan) -> None:
    """As if a driver had been killed between a model's making and its end."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri or default_uri(root))
    key = plan.trials[1].key
    first = logged_models(uri or default_uri(root), plan.name)[key]
    client.delete_logged_model(first["model_id"])
    tags = owner_of(root).tags | {"moleflow.trial": key}
    client.create_logged_model(first["experiment_id"], "half", first["source_run_id"], tags)
    client.delete_tag(first["source_run_id"], "moleflow.complete")


def strange_plan(root: Root, fields: dict[str, Any]) -> Plan:
    study = Study(base=Config(), **fields)
    weights = {study.base.updated({"backbone.weights": LONG}).backbone: "long"}
    plan = expand("strange", study, "/data", dict.fromkeys(STRANGE, "f"), weights)
    write_plan(plan, root.study(plan.name))
    return plan


def test_syncing_again_changes_nothing(story: Story):
    assert story.held["again"] == story.held["first"]


def test_all_sent_again_changes_nothing(story: Story):
    assert story.held["all again"] == story.held["first"]


def test_each_trial_has_one_run_below_the_study_s(story: Story):
    held = story.held["first"]
    assert set(held) == {"study", *(trial.key for trial in story.plan.trials)}
    parents = {held[t.key]["tags"]["mlflow.parentRunId"] for t in story.plan.trials}
    assert parents == {held["study"]["id"]}


def test_runs_end_as_their_records_say(story: Story):
    found = [story.of("first", i)["status"] for i in range(4)]
    assert found == ["FINISHED", "FAILED", "FAILED", "KILLED"]
    tags = [story.of("first", i)["tags"]["moleflow.status"] for i in range(4)]
    assert tags == ["finished", "diverged", "failed", "killed"]
    assert story.held["first"]["study"]["status"] == "KILLED"


def test_values_steps_and_times_are_those_of_the_events(story: Story):
    trial = story.plan.trials[0]
    names = {
        "loss/bottle": "training/loss bottle",
        "image_auroc/mean": "image_auroc/mean",
        "image_auroc/a+b": "by_class/image_auroc a_b",
    }
    expected = [
        (names[one.name], one.step, round(one.time * 1000), one.value)
        for one in numbers_of(read_events(story.root.study("small").events(trial.key)))
    ]
    history = story.of("first", 0)["history"]
    found = [(n.partition("-")[0], s, t, v) for n, s, t, v in history if "seconds" not in n]
    assert sorted(found) == sorted(expected)


def test_timings_are_metrics_by_kind(story: Story):
    found = {n: v for n, _, _, v in story.of("first", 0)["history"] if n.startswith("seconds")}
    del found["seconds/total"]
    assert found == {"seconds/features": 0.5, "seconds/adapter": 5.0}


def test_a_trial_that_a_later_process_resumed_goes_on_in_its_run(story: Story):
    before, after = story.of("all again", 3), story.of("resumed", 3)
    assert before["id"] == after["id"]
    assert (before["status"], after["status"]) == ("KILLED", "FINISHED")
    new = {point[:2] for point in set(after["history"]) - set(before["history"])}
    assert {point for point in new if "seconds" not in point[0]} == {("training/loss bottle", 4)}
    assert story.held["resumed"]["study"]["status"] == "FAILED"  # two trials did not finish


def test_record_artifacts_and_report_are_kept(story: Story):
    key = story.plan.trials[0].key
    assert story.of("first", 0)["files"] == [f"{key}.json", "maps.txt"]
    report = ["answer.txt", "report/index.html", "report/tables/main.csv", "results.parquet"]
    assert story.held["first"]["study"]["files"] == report


def test_a_trial_that_is_no_longer_planned_is_marked_and_kept(story: Story):
    before = [story.of("resumed", i) for i in range(4)]
    after = [story.of("fewer seeds", i) for i in range(4)]
    assert [run["tags"]["moleflow.planned"] for run in before] == ["yes"] * 4
    assert [run["tags"]["moleflow.planned"] for run in after] == ["no", "yes", "no", "yes"]
    assert [run["history"] for run in after] == [run["history"] for run in before]
    counts = [
        story.held[act]["study"]["tags"]["moleflow.trials"] for act in ("first", "fewer seeds")
    ]
    assert counts == ["4", "2"]


def test_runs_are_named_by_task_0_order_and_seed(story: Story):
    names = [story.of("first", i)["name"] for i in range(4)]
    orders = order_numbers(story.plan)
    assert names == [run_name(trial, orders) for trial in story.plan.trials]
    assert names[:2] == ["bottle O1 s0", "bottle O1 s1"]
    assert len(set(names)) == 4
    assert names == [story.of("fewer seeds", i)["name"] for i in range(4)]


def test_more_metrics_than_a_batch_takes_all_arrive(story: Story):
    history = story.strange["run"]["history"]
    losses = sorted((s, v) for n, s, _, v in history if n == f"training/loss {FIRST}")
    assert losses == [(epoch, 1 / epoch) for epoch in range(1, EPOCHS + 1)]


def test_texts_in_any_letters_and_of_any_length_arrive(story: Story):
    run = story.strange["run"]
    assert run["params"]["task0"] == FIRST
    assert run["tags"]["moleflow.order"] == " > ".join(STRANGE)
    assert run["params"]["backbone.weights"] == LONG[:6000]
    assert run["tags"]["moleflow.failure"].startswith("DivergedError: loss nan")


def test_no_number_of_a_diverged_trial_is_infinite(story: Story):
    assert all(abs(value) < 1e9 for _, _, _, value in story.strange["run"]["history"])
    assert story.strange["run"]["status"] == "FAILED"


def last_of(run: dict[str, Any]) -> dict[str, float]:
    """Numbers that a run shows."""
    return {name: value for name, _, _, value in sorted(run["history"])}


def test_trials_stand_below_the_runs_of_their_settings(story: Story):
    plan, (held, again) = story.settings["plan"], story.settings["late"]
    assert held == again
    names = [f"training.lr = {value}" for value in (0.001, 0.002)]
    assert set(held) == {"study", *names, *(trial.key for trial in plan.trials)}
    above = {run["id"]: name for name, run in held.items()}
    assert {above[held[name]["tags"]["mlflow.parentRunId"]] for name in names} == {"study"}
    for trial in plan.trials:
        of = above[held[trial.key]["tags"]["mlflow.parentRunId"]]
        assert of == f"training.lr = {trial.axes['training.lr']}"
    assert [held[name]["name"] for name in names] == ["lr=0.001", "lr=0.002"]


def test_a_setting_s_run_ends_with_its_trials(story: Story):
    names = [f"training.lr = {value}" for value in (0.001, 0.002)]
    found = [[story.settings[act][0][n]["status"] for n in names] for act in ("early", "late")]
    assert found == [["FINISHED", "KILLED"], ["FINISHED", "FINISHED"]]


def test_the_study_s_run_carries_the_answer_and_goes_on_with_it(story: Story):
    (early, again), (late, _) = story.settings["early"], story.settings["late"]
    assert early == again
    assert set(early["study"]["history"]) < set(late["study"]["history"])
    shown = last_of(late["study"])
    assert [shown[f"image_auroc/lr {value}"] for value in (0.001, 0.002)] == [1 / 16, 5 / 16]
    assert (shown["trials/finished"], shown["trials/planned"]) == (4, 4)
    setting = last_of(late["training.lr = 0.002"])
    assert (setting["image_auroc/mean"], setting["image_auroc/n"]) == (5 / 16, 2)
    assert setting["image_auroc/sd"] == pytest.approx(2**0.5 / 16)


def test_what_reports_say_stands_in_the_description_of_the_study_s_run(story: Story):
    for act in ("first", "again", "fewer seeds"):
        assert "It runs, said the report" in story.held[act]["study"]["tags"]["mlflow.note.content"]


def test_every_run_names_its_data_once_and_trials_that_read_none_name_none(story: Story):
    held, _ = story.settings["late"]
    assert {tuple(name for name, _ in run["data"]) for run in held.values()} == {("data",)}
    counts = json.loads(held["study"]["data"][0][1])
    assert (counts["num_rows"], counts["train"], counts["classes"]) == (10, 5, 1)
    assert story.of("first", 0)["data"] == []


def test_runs_say_which_code_they_come_from(story: Story):
    held, _ = story.settings["late"]
    for run in (run for name, run in held.items() if "training.lr" not in name):
        tags = {name.removeprefix("mlflow.source."): text for name, text in run["tags"].items()}
        assert (tags["name"], tags["type"]) == ("settings", "LOCAL")
        assert (tags["git.commit"], tags["git.dirty"]) == ("c0ffee", "true")


def test_every_finished_trial_has_one_model_whatever_was_sent_twice(story: Story):
    plan, models = story.settings["plan"], story.settings["models"]
    keys = [trial.key for trial in plan.trials]
    assert [set(found) for found in models] == [set(keys[:3])] * 2 + [set(keys)] * 3
    assert models[0] == models[1] and models[2] == models[3]
    assert {model["status"] for found in models for model in found.values()} == {"READY"}
    runs = {key: story.settings["late"][0][key]["id"] for key in keys}
    assert {key: model["source_run_id"] for key, model in models[-1].items()} == runs


def test_a_trial_that_is_registered_again_has_one_version(story: Story):
    assert story.settings["versions"] == ["1", "1"]
