"""What a trial's run shows of its numbers: few names, in few sections, and none that is stale."""

import re
from pathlib import Path

import numpy as np
import pytest

from moleflow.measurement import ChosenBy, Measurement
from moleflow.metrics.catalogue import HEADLINES, METRICS
from moleflow.metrics.continual import continual_summary
from orchestration.records.events import Attempt, Epoch, Event, Load, Metrics
from orchestration.records.stages import StageRef
from orchestration.tracking.mlflow.metric_names import loads, tracked
from orchestration.trial.recording import told_values

CLASSES = tuple(f"class{number:02}" for number in range(15))
DOCUMENT = Path(__file__).parents[3] / "docs" / "tracking.md"
ROUTES: tuple[ChosenBy, ...] = ("routed", "oracle")


def measured(step: int, routed_right: float) -> list[Measurement]:
    """After so many tasks: every metric of the classes seen, and their means."""
    rows: list[Measurement] = []
    for metric in METRICS:
        for route in ROUTES if metric.compute else ROUTES[:1]:
            value = routed_right if metric.compute is None or route == "routed" else 1.0
            seen = enumerate(CLASSES[:step])
            rows += [Measurement(step, j, n, metric.name, "step", route, value) for j, n in seen]
            rows.append(Measurement(step, -1, "", metric.name, "step_mean", route, value))
    return rows


def summaries() -> list[Measurement]:
    every = continual_summary(np.tri(15), np.arange(15))
    return [
        Measurement(15, -1, "", metric.name, definition, route, value)
        for metric in METRICS
        for route in ROUTES
        for definition, value in every.items()
    ]


def told(right: dict[int, float]) -> list[Event]:
    """All that a trial of 15 classes tells; `right` is the router's accuracy by tasks seen."""
    events: list[Event] = [Attempt()]
    for step, name in enumerate(CLASSES, start=1):
        numbers = dict.fromkeys(("loss", "grad_norm", "lr"), 0.5)
        events.append(
            Epoch(stage=StageRef("adapter", name), epoch=1, epochs=1, time=step, numbers=numbers)
        )
        chosen_by = told_values(measured(step, 1.0), "selection_")
        events.append(Metrics(step=step, time=step, numbers=chosen_by))
        rows = told_values(measured(step, right.get(step, 1.0)))
        events.append(Metrics(step=step, time=step, numbers=rows))
    return [*events, Metrics(step=15, time=16, numbers=told_values(summaries()))]


def names_of(right: dict[int, float]) -> set[str]:
    numbers, _ = tracked(told(right), misrouted=False)
    return {one.name for one in numbers}


def test_a_run_of_15_classes_has_few_names_in_few_sections():
    names = names_of(dict.fromkeys(range(2, 16), 0.9))
    assert len(names) < 150 - 20  # what a record and the system add
    assert {name.count("/") for name in names} == {1}  # a view's sections go to the last one
    sections = {name.partition("/")[0] for name in names}
    assert len(sections) <= 10 - 2  # seconds, system
    assert {f"{metric.name}/mean" for metric in HEADLINES} <= names
    assert {"by_class", "oracle", "transfer", "training"} <= sections


def test_every_class_has_its_headline_metrics_and_every_metric_its_mean():
    names = names_of({})
    every = {f"by_class/{metric.name} {name}" for metric in HEADLINES for name in CLASSES}
    assert every <= names
    for metric in METRICS:
        places = {f"{metric.name}/mean", f"by_class/{metric.name} mean", f"oracle/{metric.name}"}
        assert places & names


def test_numbers_under_the_true_task_are_sent_only_where_they_can_differ():
    perfect = {name for name in names_of({}) if name.startswith("oracle/")}
    assert perfect == {"oracle/routing_accuracy"}
    assert "oracle/image_auroc" in names_of({3: 0.9})


def test_a_number_under_the_true_task_that_was_sent_once_is_sent_to_the_end():
    """Else a run would show that of an earlier step as its last one."""
    numbers, _ = tracked(told({3: 0.9}), misrouted=False)
    steps = [one.step for one in numbers if one.name == "oracle/image_auroc"]
    assert steps == list(range(3, 16))


@pytest.mark.parametrize("cut", [1, 7, 8, 9, 30])
def test_events_that_come_in_parts_give_the_same_numbers(cut: int):
    events = told({3: 0.9})
    whole, _ = tracked(events, misrouted=False)
    first, misrouted = tracked(events[:cut], misrouted=False)
    rest, _ = tracked(events[cut:], misrouted)
    assert [*first, *rest] == whole


def test_the_document_names_what_a_run_has():
    names = names_of(dict.fromkeys(range(2, 16), 0.9))
    text = DOCUMENT.read_text().partition("## The numbers of a trial")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    said = {
        one.replace("bottle", CLASSES[0]) for row in rows for one in re.findall(r"`(\w[^`]*)`", row)
    }
    assert {one for one in said if not one.startswith("seconds/")} <= names
    assert {name.partition("/")[0] for name in names} <= {one.partition("/")[0] for one in said}


def test_what_a_trial_uses_stands_where_mlflow_shows_the_system():
    load = Load(host="h", cores=1.5, given=2, memory=10**9, host_cores=4, host_memory=4 * 10**9)
    gpu = load.model_copy(update={"gpu": "g", "gpu_used": 10**9, "gpu_total": 2 * 10**9})
    events = [Attempt(time=100.0), Attempt(time=112.4, load=load), Attempt(time=130.0, load=gpu)]
    numbers, last = loads(events, 100.0, -1)
    found = {(one.name, one.step): one.value for one in numbers}
    assert last == 30
    assert {name.partition("/")[0] for name, _ in found} == {"system"}
    assert found["system/cpu_utilization_percentage", 12] == 37.5
    assert found["system/memory_usage_percentage", 12] == 25
    assert found["system/gpu_0_memory_usage_percentage", 30] == 50
    assert ("system/gpu_0_memory_usage_percentage", 12) not in found


def test_no_load_is_at_one_step_twice_when_the_clock_is_set_back() -> None:
    load = Load(host="h", cores=1.0, given=2, memory=10**9, host_cores=4, host_memory=4 * 10**9)
    times = (100.0, 105.0, 101.0, 20.0, 25.0, 105.3, 106.0)
    events = [Attempt(time=time, load=load) for time in times]
    first, last = loads(events[:3], 100.0, -1)
    then, last = loads(events[3:], 100.0, last)
    steps = [one.step for one in (*first, *then) if one.name == "system/cpu_cores"]
    assert (steps, last) == ([0, 5, 6], 6)
