"""The same ledger gives the same bytes, however many cores there are."""

from typing import Any

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from moleflow.streams import numpy_stream
from orchestration.records.all_orders import AllOrders, ClassInOrders, write_kept
from orchestration.studies.expansion import Trial
from reports import all_orders
from reports.document import Document
from reports.evidence import load
from reports.kinds import checklist
from reports.statistics.orders import drawn
from reports.writing import write_reports
from tests.reports.conftest import Lab

NAMES = tuple(f"class{number}" for number in range(9))


def kept(trial: Trial) -> AllOrders:
    """Two rivals of each class, which move image AUROC and pixel AP."""
    classes: list[ClassInOrders] = []
    for name in trial.classes:
        near = [other for other in NAMES if other not in (name, trial.sequence[0][0])][:2]
        draws = numpy_stream("cores", trial.seed, name)
        values = {m: tuple(draws.random(4).tolist()) for m in ("image_auroc", "pixel_ap")}
        made = {"rivals": tuple(near), "choice": (0, 1, 2, 3), "values": values, "without": {}}
        classes.append(ClassInOrders.model_validate({"name": name, "task": name, **made}))
    tasks = tuple("+".join(task) for task in trial.sequence)
    return AllOrders(trial=trial.key, tasks=tasks, classes=tuple(classes))


def test_derived_orders_are_the_same_with_any_number_of_cores(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawn, "DERIVED", 20_000)
    drawn.drawn_orders.cache_clear()
    drawn.drawn_paths.cache_clear()
    lab.classes = NAMES
    folder, plan = lab.plan(task_zeros=2, orders=1, seeds=(0, 1))
    lab.run(folder, plan.trials)
    for trial in plan.trials:
        folder.artifacts(trial.key).mkdir(parents=True, exist_ok=True)
        write_kept(folder.artifacts(trial.key), kept(trial))
    evidence = load(folder)

    def with_cores(number: int) -> list[Any]:
        monkeypatch.setattr(all_orders, "allowed_cpus", lambda: number)
        found = all_orders.orders_of(evidence, evidence.settings[0]).derived
        return [(one.metric, one.group.task0, one.group.seed, one.found) for one in found]

    alone = with_cores(1)
    assert len(alone) == 8 and len({one.mean for *_, of in alone for one in of}) > 8
    assert alone == with_cores(2) == with_cores(8)
    drawn.drawn_orders.cache_clear()
    drawn.drawn_paths.cache_clear()


def test_blas_has_one_thread_while_a_document_is_made(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    made = checklist.document

    def document(evidence: Any) -> Document:
        threads.extend(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")
        return made(evidence)

    monkeypatch.setattr(checklist, "document", document)
    folder, _ = lab.plan(task_zeros=1, orders=1, seeds=(0,))
    with threadpool_limits(2, user_api="blas"):
        write_reports(folder, ["checklist"])
    assert threads and set(threads) == {1}
