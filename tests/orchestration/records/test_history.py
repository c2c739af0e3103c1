"""What ran before an interruption is in a trial's record, and in what is told of the study."""

import pytest

from orchestration.records.events import Event
from orchestration.records.history import all_seconds, before_last_attempt, history
from orchestration.records.ledger import Span, StageSource
from orchestration.views.outline import outline
from tests.records import record


def at(moment: float, kind: str = "note", **told) -> Event:
    return Event(time=moment, kind=kind, **told)


def ended(moment: float, stage: str, seconds: float, source: str = "") -> Event:
    told = {"stage": stage, "name": "wood", "state": "finished", "seconds": seconds}
    return at(moment, "stage", **told, source=source)


INTERRUPTED = (
    at(10.0, "attempt"),
    ended(40.0, "base", 30.0, "made"),
    ended(45.0, "evaluation", 5.0),
    at(47.0),
    at(1000.0, "attempt"),
)


def test_an_attempt_lasts_until_its_last_word() -> None:
    found = history((*INTERRUPTED, at(1003.0)))
    assert found.spans == (Span(started=10.0, ended=47.0), Span(started=1000.0, ended=1003.0))
    assert found.seconds == {"base wood": 30.0, "evaluation wood": 5.0}
    assert before_last_attempt(INTERRUPTED).spans == (Span(started=10.0, ended=47.0),)
    assert before_last_attempt(()).spans == ()


@pytest.mark.parametrize("known", [INTERRUPTED, ()])
def test_a_resumed_stage_counts_what_it_took_even_where_events_are_lost(known) -> None:
    source = StageSource(kind="base", key="b", source="resumed", seconds=30.0)
    shared = StageSource(kind="base", key="c", source="shared", seconds=900.0)
    now = {"base wood": 0.25, "base nut": 0.5, "evaluation wood": 1.0}
    found = all_seconds(before_last_attempt(known), now, {"base wood": source, "base nut": shared})
    assert found["base wood"] == 30.25
    assert found["base nut"] == 0.5
    assert found["evaluation wood"] == (6.0 if known else 1.0)


def test_time_between_attempts_is_not_time_at_work() -> None:
    spans = (Span(started=10.0, ended=47.0), Span(started=1000.0, ended=1003.0))
    stages = {
        "base wood": StageSource(kind="base", key="b", source="resumed", seconds=30.0),
        "adapter nut": StageSource(kind="adapter", key="a", source="made", seconds=2.0),
    }
    seconds = {"base wood": 30.25, "adapter nut": 2.0}
    one = record(started=10.0, ended=1003.0, spans=spans, stages=stages, seconds=seconds)
    assert one.working_seconds == 40.0
    found = outline(one)
    assert (found.duration, found.besides) == (40.0, 1.0)


def test_a_clock_that_was_set_back_makes_no_time_negative() -> None:
    (span,) = history((at(10.0, "attempt"), at(5.0))).spans
    assert span.ended - span.started == 0.0
