"""What a page says outside of numbers that name their sources is of the plan and of the code: it is
the same whatever came out."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.records.layout import StudyFolder
from reports.base_loss import FEWEST
from reports.evidence import Evidence, load
from reports.statistics import SEEDS_FOR_INTERVAL
from reports.writing import write_reports
from tests.reports import worlds
from tests.reports.plain_words import numbers_in, plain_words

pytestmark = pytest.mark.slow

LIMITS = {str(SEEDS_FOR_INTERVAL), str(FEWEST), "0.5", "1.0"}
"""Of the code: margins, and what else numbers are compared with in words that one outcome has."""


def names(evidence: Evidence) -> re.Pattern[str]:
    """Of trials, orders, tasks, settings and fields, the longest first."""
    plan = evidence.plan
    found = {trial.key for trial in plan.trials} | {*evidence.orders.values()}
    found |= {*evidence.tasks.values(), *plan.trials[0].config.flat()}
    found |= {f"{name} = {value}" for t in plan.trials for name, value in t.axes.items()}
    found |= {one.label for one in evidence.named}
    ordered = sorted(found - {""}, key=len, reverse=True)
    return re.compile("|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in ordered))


def unsourced(page: Path, named: re.Pattern[str]) -> dict[str, set[tuple[str, ...]]]:
    """Numbers outside of sources, names and the code's own words, by the words around them."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for words in plain_words(page.read_text("utf-8")):
        between, numbers = numbers_in(words, named)
        found.setdefault(between, set()).add(numbers)
    return found


def differing(one: Path, other: Path, named: re.Pattern[str]) -> list[str]:
    """Words with other numbers in them, or that one page alone has, with others than limits."""
    pages = unsourced(one, named), unsourced(other, named)
    found: list[str] = []
    for words in pages[0].keys() | pages[1].keys():
        both = [page.get(words, set[tuple[str, ...]]()) for page in pages]
        numbers = {number for of in both for numbers in of for number in numbers}
        if both[0] != both[1] and (all(both) or numbers - LIMITS):
            found.append(f"{words} {both[0]} {both[1]}")
    return sorted(found)


def both(make: Callable[[Path, int], StudyFolder], tmp_path: Path) -> list[StudyFolder]:
    found = [make(tmp_path / str(number), number) for number in (0, 1)]
    for folder in found:
        write_reports(folder)
    return found


@pytest.mark.parametrize("name", [*worlds.STUDIES, "searched"])
def test_whatever_comes_out_no_page_has_another_number_that_names_no_source(
    name: str, tmp_path: Path
) -> None:
    one, other = both(lambda path, w: worlds.study(path, name, w), tmp_path)
    named = names(load(one))
    pages = sorted(path.relative_to(one.report) for path in one.report.rglob("index.html"))
    assert len(pages) > 1
    found = {str(p): differing(one.report / p, other.report / p, named) for p in pages}
    assert {page: of for page, of in found.items() if of} == {}
