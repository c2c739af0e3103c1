"""The page of every kind of report in a browser: it loads without errors, and fits the screen."""

from pathlib import Path
from typing import Any

import pytest

from orchestration.records.layout import Root
from orchestration.studies.axes import Grid
from reports import kinds
from reports.writing import write_reports
from tests.browser.chromium import SIZES, WIDTH, needs_chromium
from tests.reports.conftest import Lab
from tests.reports.test_all_orders_report import by_class, keep

pytestmark = [*needs_chromium, pytest.mark.soak]


CROSSED = (
    Grid(field="loss.tail_weight", values=(0.0, 0.7)),
    Grid(field="dia.blocks", values=(0, 2)),
)
OF_ORDERS = ("checklist", "cost", "routing", "task0", "task_order")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of a study of orders, and for the other kinds of one that crosses two factors; in each a
    trial failed."""
    lab = Lab(Root.at(tmp_path_factory.mktemp("kinds")))
    lab.law = lambda trial, metric, c, step: 0.8 + int(trial.key[:4], 16) / 2**20 - step / 1000
    others = tuple(kind for kind in kinds.known() if kind not in OF_ORDERS)
    found: dict[str, Path] = {}
    for name, asked, axes, firsts in (
        ("orders", OF_ORDERS, (), 2),
        ("crossed", others, CROSSED, 1),
    ):
        folder, plan = lab.plan(firsts, firsts, (0, 1, 2), axes, name=name)
        lab.run(folder, plan.trials[:-1])
        lab.fail(folder, plan.trials[-1], "gone")
        for trial in plan.trials:
            keep(folder, trial, by_class)
        written = write_reports(folder, asked)
        found |= {kind: one.html for kind, one in zip(asked, written, strict=True)}
    return found


@pytest.mark.parametrize("kind", kinds.known())
def test_a_page_of_every_kind_loads_without_errors_and_is_not_wider_than_the_screen(
    kind: str,
    pages: dict[str, Path],
    browser: Any,
) -> None:
    browser.get(pages[kind].as_uri())
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.querySelectorAll('h2').length") > 1
    needed, there, wider = browser.execute_script(SIZES)
    assert needed <= there == WIDTH
    assert wider == []
