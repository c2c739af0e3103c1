"""Which fault a lost stage is charged to, and how many seconds of it."""

from tests.nemesis.aftermath import blame

KILLED, PAUSED, FULL = 0, 1, 2
ENDS = {KILLED, PAUSED}
NEVER = float("inf")


def test_a_stage_is_lost_by_what_ends_its_process() -> None:
    assert blame(10.0, 12.0, 30.0, {FULL: 5.0, KILLED: 14.0}, ENDS) == (KILLED, 4.0)


def test_a_stage_is_lost_by_the_last_fault_before_it_where_none_ends_its_process() -> None:
    assert blame(10.0, 12.0, 30.0, {KILLED: 5.0}, ENDS) == (KILLED, 2.0)
    assert blame(10.0, 12.0, 30.0, {FULL: 11.0}, ENDS) == (FULL, 2.0)


def test_a_fault_costs_nothing_of_an_attempt_that_was_over_when_it_came() -> None:
    """A GCS that was killed, and one that was paused minutes later, when the trial had begun anew:
    the time between is nobody's work."""
    assert blame(10.0, 12.0, 90.0, {KILLED: 9.0, PAUSED: 232.0}, ENDS) == (KILLED, 2.0)
    assert blame(10.0, 12.0, 90.0, {PAUSED: 232.0}, ENDS) == (PAUSED, 2.0)
    assert blame(10.0, 12.0, NEVER, {KILLED: 9.0, PAUSED: 22.0}, ENDS) == (PAUSED, 12.0)
