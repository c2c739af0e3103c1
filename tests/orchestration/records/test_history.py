"""What ran before an interruption is in a trial's record, and in what is told of the study."""

import pytest

from orchestration.records.events import Attempt, StageFinished, Waiting
from orchestration.records.history import all_seconds, before_last_attempt, history
from orchestration.records.ledger import Span, StageSource
from orchestration.records.stages import StageRef
from orchestration.views.record_brief import brief
from tests.records import record

BASE, NUT = StageRef("base", "wood"), StageRef("base", "nut")
ADAPTER = StageRef("adapter", "nut")
EVALUATION = StageRef("evaluation", "wood")
INTERRUPTED = (
    Attempt(time=10.0),
    StageFinished(time=40.0, stage=BASE, seconds=30.0, source="made"),
    StageFinished(time=45.0, stage=EVALUATION, seconds=5.0),
    Waiting(time=47.0, what="base"),
    Attempt(time=1000.0),
)


def test_an_attempt_lasts_until_its_last_word() -> None:
    found = history((*INTERRUPTED, Waiting(time=1003.0, what="base")))
    assert found.spans == (Span(started=10.0, ended=47.0), Span(started=1000.0, ended=1003.0))
    assert found.seconds == {BASE: 30.0, EVALUATION: 5.0}
    assert before_last_attempt(INTERRUPTED).spans == (Span(started=10.0, ended=47.0),)
    assert before_last_attempt(()).spans == ()


@pytest.mark.parametrize("known", [INTERRUPTED, ()])
def test_a_resumed_stage_counts_what_it_took_even_where_events_are_lost(known) -> None:
    source = StageSource(kind="base", key="b", source="resumed", seconds=30.0)
    shared = StageSource(kind="base", key="c", source="shared", seconds=900.0)
    now = {BASE: 0.25, NUT: 0.5, EVALUATION: 1.0}
    found = all_seconds(before_last_attempt(known), now, {BASE: source, NUT: shared})
    assert found[BASE] == 30.25
    assert found[NUT] == 0.5
    assert found[EVALUATION] == (6.0 if known else 1.0)


def test_time_between_attempts_is_not_time_at_work() -> None:
    spans = (Span(started=10.0, ended=47.0), Span(started=1000.0, ended=1003.0))
    stages = {
        BASE: StageSource(kind="base", key="b", source="resumed", seconds=30.0),
        ADAPTER: StageSource(kind="adapter", key="a", source="made", seconds=2.0),
    }
    seconds = {BASE: 30.25, ADAPTER: 2.0}
    one = record(started=10.0, ended=1003.0, spans=spans, stages=stages, seconds=seconds)
    assert one.working_seconds == 40.0
    found = brief(one)
    assert (found.duration, found.besides) == (40.0, 1.0)


def test_a_clock_that_was_set_back_makes_no_time_negative() -> None:
    (span,) = history((Attempt(time=10.0), Waiting(time=5.0, what="base"))).spans
    assert span.ended - span.started == 0.0
