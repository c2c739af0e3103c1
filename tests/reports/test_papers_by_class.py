"""Published values of classes beside those measured here."""

import pytest

from moleflow import profiles
from reports.document import Fold, Listed, Section, Table, Text, plain
from reports.evidence import load
from reports.papers_by_class import SETS, classes_of, printed, sections
from tests.reports.conftest import Lab

MVTEC, VISA = SETS


def shown(lab: Lab, **planned) -> list[Section]:
    folder, plan = lab.plan(task_zeros=1, orders=1, **planned)
    lab.run(folder, plan.trials)
    return sections(load(folder))


def tables(section: Section) -> dict[str, Table]:
    return {block.name: block for block in section.blocks if isinstance(block, Table)}


@pytest.mark.parametrize("data", SETS, ids=lambda data: data.name)
def test_on_classes_of_the_papers_each_difference_is_measured_minus_printed(lab: Lab, data) -> None:
    lab.classes, lab.config = tuple(sorted(classes_of(data))), data.made_with()
    lab.law = lambda trial, metric, name, step: 0.9 + len(name) / 1000
    (section,) = shown(lab, seeds=(0, 1))
    own = {one.class_name: one.value for one in printed(data)
           if (one.method, one.metric) == (data.own, "image_auroc")}  # fmt: skip
    table = tables(section)[f"published_by_class-{data.name}-image_auroc"]
    found = {
        line.values["class"]: line.values["difference"]
        for line in table.lines
        if line.values["method"] == data.own
    }
    expected = {name: 0.9 + len(name) / 1000 - own[name] for name in lab.classes}
    assert {name: found[name] for name in lab.classes} == pytest.approx(expected)
    mean = sum(0.9 + len(name) / 1000 for name in lab.classes) / len(lab.classes)
    assert found["mean"] == pytest.approx(mean - own["mean"])
    assert len(table.rows) == len(lab.classes) + 1 and "Difference" in table.header
    (fold,) = (block for block in section.blocks if isinstance(block, Fold))
    (apart,) = fold.blocks
    assert isinstance(apart, Listed)
    said = "\n".join(map(plain, apart.points))
    assert "Seeds and orders: one of each there, 2 and 1 here." in said
    assert "by the names of the classes, here" in said


def test_on_other_data_it_is_said_and_no_difference_is_taken(lab: Lab) -> None:
    lab.classes = ("bottle", "cookie", "hazelnut")
    (section,) = shown(lab, seeds=(0,))
    first = section.blocks[0]
    assert isinstance(first, Text) and "of whose 3 classes 2 have a name" in plain(first.words)
    for table in tables(section).values():
        assert len(table.rows) == 2 and "Difference" not in table.header
        assert {line.values["difference"] for line in table.lines} == {None}
        assert {line.values["class"] for line in table.lines} == {"bottle", "hazelnut"}


def test_what_is_set_otherwise_is_told_field_by_field(lab: Lab) -> None:
    lab.classes, lab.config = ("bottle", "cable"), profiles.quick()
    (section,) = shown(lab, seeds=(0,))
    (fold,) = (block for block in section.blocks if isinstance(block, Fold))
    assert "image.size: 224 there, 192 here." in str(fold)


def test_other_classes_and_classes_learned_together_have_no_counterpart(lab: Lab) -> None:
    assert shown(lab, seeds=(0,), scenario="joint") == []
    lab.classes = ("cookie", "ball_screw")
    assert shown(lab, seeds=(0,), name="others") == []


def test_methods_that_have_a_column_are_published() -> None:
    for data in SETS:
        assert {data.own, *data.shown} <= {one.method for one in printed(data)}
