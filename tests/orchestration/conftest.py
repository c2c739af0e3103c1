"""A small study without torch."""

from collections.abc import Callable

import pytest

from moleflow.config import Config
from orchestration.records.layout import Root
from orchestration.records.plans import write_plan
from orchestration.studies.axes import Orders
from orchestration.studies.expansion import Plan, expand
from orchestration.studies.study import Study


@pytest.fixture
def root(tmp_path) -> Root:
    return Root.at(tmp_path / "a root")


@pytest.fixture(scope="session")
def make_plan() -> Callable[[Root], Plan]:
    """Four trials: two orders of three classes, two seeds; written where workers look for it."""
    study = Study(question="Does it run?", base=Config(), axes=(Orders(count=2),), seeds=(0, 1))
    fingerprints = {name: name * 2 for name in ("bottle", "cable", "wood")}
    weights = {study.base.backbone: "weights"}

    def make(root: Root) -> Plan:
        plan = expand("small", study, "/data", fingerprints, weights)
        write_plan(plan, root.study("small"))
        return plan

    return make


@pytest.fixture
def plan(make_plan: Callable[[Root], Plan], root: Root) -> Plan:
    return make_plan(root)
