"""A report in a browser: it loads without errors, fits the screen, is sorted, says its sources."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas

from moleflow.drawing import heat_map, house_style
from reports.document import Cell, Document, Section, Text, computed, drawn, table, write
from tests.browser.chromium import SIZES, WIDTH, needs_chromium

pytestmark = needs_chromium
VALUES = ("9.50 ± 0.10", "–", "10.25 ± 1.00", "−1.00 ± 0.20", "−10.00 ± 2.00")
BY_NUMBER = ["−10.00 ± 2.00", "−1.00 ± 0.20", "9.50 ± 0.10", "10.25 ± 1.00"]
NOTE = "90.00 to 99.99\n[88.88, 99.99]"
METRICS = ("Image AUROC", "Image AP", "Pixel AUROC", "Pixel AP", "AUPRO", "Routing acc.")


def made() -> None:
    """What the numbers here are computed by."""


def page_in(folder: Path) -> Path:
    """A table as wide as those by order, and a heat map."""
    with house_style():
        canvas = Canvas(figsize=(6, 4))
        names = ("a", "b", "c")
        cells = np.eye(3)
        heat_map(canvas.add_subplot(), cells, cells.astype(str), names, names, (0.0, 1.0))
    figure = drawn(canvas, "eye", "Three cells", "1", "3 cells", "Ones on the diagonal.")
    rows = [
        [
            f"O{i}",
            "metal_nut",
            Cell(value, "90.00 to 99.99\n[88.88, 99.99]", source(i)),
            *METRICS[1:],
        ]
        for i, value in enumerate(VALUES)
    ]
    header = ("Order", "Task 0", *METRICS)
    shown = table("wide", "By order", header, rows, [], source(0), text_columns=2)
    sections = (Section("Numbers", (Text("Words."), shown)), Section("Figure", (figure,)))
    return write(Document("study", "Kind", "Does it work?", (), sections, ""), folder).html


def source(i: int):
    return computed(made, [f"key{i}", "other"])


@pytest.fixture(scope="module")
def page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    browser.get(page_in(tmp_path_factory.mktemp("page")).as_uri())
    return browser


def test_a_report_loads_without_a_word_on_the_console(page: Any) -> None:
    assert page.title == "study: kind"
    assert page.get_log("browser") == []


def test_a_report_is_not_wider_than_the_screen(page: Any) -> None:
    needed, there, wider = page.execute_script(SIZES)
    assert needed <= there == WIDTH
    assert wider == []


def test_a_click_on_a_head_sorts_by_number_and_leaves_what_is_missing_last(page: Any) -> None:
    rows = "[...document.querySelectorAll('#table-wide tbody tr')]"
    first = f"return {rows}.map(r => r.cells[2].firstChild.textContent)"
    head = "document.querySelectorAll('#table-wide thead button')[2].click()"
    page.execute_script(head)
    assert page.execute_script(first) == [*BY_NUMBER, "–"]
    page.execute_script(head)
    assert page.execute_script(first) == [*BY_NUMBER[::-1], "–"]
    sorted_by = "return document.querySelectorAll('[aria-sort]').length"
    assert page.execute_script(sorted_by) == 1


def test_a_click_on_a_number_tells_the_trials_that_it_was_computed_of(page: Any) -> None:
    rows = "document.querySelectorAll('#table-wide tbody tr')"
    page.execute_script(f"[...{rows}].find(r => r.cells[0].textContent == 'O2').cells[2].click()")
    told = page.execute_script("return document.getElementById('where').textContent")
    assert told.endswith(f"{made.__qualname__}, from the records of 2 trials: key2, other")
