"""How counts and lists are told."""

from moleflow.wording import counted
from reports import papers
from reports.digits import MOST_LISTED, listed
from reports.evidence import load
from tests.reports.conftest import Lab


def test_one_is_no_plural() -> None:
    assert [counted(n, "trial") for n in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]


def test_a_long_list_names_the_first_few_and_counts_the_others() -> None:
    every = [str(n) for n in range(MOST_LISTED + 3)]
    assert listed(every[:MOST_LISTED], "; ") == "; ".join(every[:MOST_LISTED])
    assert listed(every, "; ") == f"{'; '.join(every[:MOST_LISTED])} and 3 more"


def test_nothing_stands_beside_published_values_where_nothing_is_measured(lab: Lab) -> None:
    lab.reports = ("task0",)
    folder, plan = lab.plan(task_zeros=2, orders=1, seeds=(0,))
    assert list(papers.counterparts(load(folder)))
    assert papers.section(load(folder)) is None
    lab.run(folder, plan.trials)
    assert papers.section(load(folder)) is not None
