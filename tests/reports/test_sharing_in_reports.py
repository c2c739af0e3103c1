"""What trials took from each other shows nothing, and is said; only work of their own counts."""

import pytest

from orchestration.records.ledger import Ledger, Record, StageSource
from orchestration.records.stages import StageRef
from reports import invariance
from reports.evidence import load
from reports.provenance import facts, notices
from reports.writing import write_reports
from tests.reports.audited import wrong


def with_stages(record: Record, maker: str, role: str) -> Record:
    """A record whose trained stages another trial, or itself, has made."""
    source = "made" if maker == record.key else "shared"
    stages = {
        StageRef("adapter" if i else "base", "+".join(task)): StageSource(
            kind="adapter" if i else "base",
            key=f"{i}",
            source=source,
            trial=maker,
            seconds=60.0,
            git="0123abc",
        )
        for i, task in enumerate(record.sequence)
    }
    return record.model_copy(update={"stages": stages, "role": role})


def shared_study(lab):
    """Two orders trained apart, and two derived from the first."""
    folder, plan = lab.plan(task_zeros=1, orders=4, seeds=(0,))
    roles = ("shared", "witness", "derived", "derived")
    for trial, role in zip(plan.trials, roles, strict=True):
        maker = plan.trials[0].key if role == "derived" else trial.key
        Ledger(folder).write(with_stages(lab.record(trial), maker, role))
    return folder, plan


def test_only_orders_that_were_trained_apart_are_compared(lab) -> None:
    folder, _ = shared_study(lab)
    found = invariance.compare(load(folder).finished)
    made = {c.kind: (c.made, c.identical) for c in found.comparisons}
    assert made == {"bank": (4, 4), "scores": (4, 4), "base": (1, 1)}
    assert (found.orders, found.derived) == (2, 2)
    assert "2 further trials were derived" in found.sentence


@pytest.mark.slow
def test_every_number_on_derived_orders_is_found_a_second_time(lab) -> None:
    folder, _ = shared_study(lab)
    (written, *_) = write_reports(folder)
    page = written.html.read_text(encoding="utf-8")
    assert ">2 further trials were</span>" in page and wrong(folder) == []
    written.html.write_text(page.replace(">2 further trials", ">3 further trials"), "utf-8")
    assert any("3 further trials were" in one for one in wrong(folder))


def test_where_all_is_shared_there_is_nothing_to_compare(lab) -> None:
    folder, plan = lab.plan(task_zeros=1, orders=4, seeds=(0,))
    for trial in plan.trials:
        Ledger(folder).write(with_stages(lab.record(trial), "another", "shared"))
    found = invariance.compare(load(folder).finished)
    assert [c.made for c in found.comparisons] == [0, 0, 0]
    assert "none could be compared" in found.sentence


def test_banks_of_other_weights_or_other_files_of_a_class_are_not_compared(lab) -> None:
    _, plan = lab.plan(task_zeros=1, orders=2, seeds=(0,))
    one, two = (with_stages(lab.record(trial), trial.key, "shared") for trial in plan.trials)
    task = one.sequence[1]
    prints = {**two.fingerprints, task[0]: "other files"}
    other_files = two.model_copy(update={"fingerprints": prints})
    made = {c.kind: c.made for c in invariance.compare([one, other_files]).comparisons}
    assert made == {"bank": 3, "scores": 3, "base": 1}
    assert invariance.compare([one, two.model_copy(update={"weights": "others"})]).groups == 0


def test_facts_say_what_was_trained_and_what_was_taken(lab) -> None:
    folder, _ = shared_study(lab)
    sharing = dict(facts(load(folder)))["Sharing"]
    assert sharing.startswith("8 tasks trained, 8 taken from other trials")
    assert "8 min of computing saved" in sharing


def test_code_that_made_a_shared_stage_is_named_though_the_trial_ran_with_another(lab) -> None:
    folder, plan = shared_study(lab)
    record = Ledger(folder).read(plan.trials[3].key)
    assert record is not None
    stages = {n: s.model_copy(update={"git": "older"}) for n, s in record.stages.items()}
    Ledger(folder).write(record.model_copy(update={"stages": stages}))
    evidence = load(folder)
    assert "older" in dict(facts(evidence))["Code"]
    assert any("different revisions" in notice for notice in notices(evidence))
