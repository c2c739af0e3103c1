"""What a trial's attempts did before they were interrupted, as far as its events tell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from orchestration.records.events import Attempt, Event, StageFinished
from orchestration.records.ledger import Span, StageSource
from orchestration.records.stages import StageRef


@dataclass(frozen=True)
class History:
    """Of attempts at one trial."""

    spans: tuple[Span, ...] = ()
    seconds: dict[StageRef, float] = field(default_factory=dict[StageRef, float])
    """Wall time of the stages that ended."""


def history(events: Iterable[Event]) -> History:
    """All attempts, each until its last word."""
    spans, seconds = list[Span](), dict[StageRef, float]()
    for event in events:
        if isinstance(event, Attempt):
            spans.append(Span(started=event.time, ended=event.time))
        elif spans:
            spans[-1] = Span(started=spans[-1].started, ended=max(spans[-1].ended, event.time))
        if isinstance(event, StageFinished):
            seconds[event.stage] = seconds.get(event.stage, 0.0) + event.seconds
    return History(tuple(spans), seconds)


def before_last_attempt(events: Sequence[Event]) -> History:
    """All attempts but the present one."""
    begun = max((i for i, event in enumerate(events) if isinstance(event, Attempt)), default=0)
    return history(events[:begun])


def all_seconds(
    earlier: History, now: dict[StageRef, float], sources: dict[StageRef, StageSource]
) -> dict[StageRef, float]:
    """Wall time by stage in all attempts: what a store says of a stage that an earlier one made
    counts where no event does."""
    found = dict(now)
    for stage in earlier.seconds.keys() | now.keys():
        source = sources.get(stage)
        resumed = source.seconds if source is not None and source.source == "resumed" else 0.0
        before = max(earlier.seconds.get(stage, 0.0), resumed)
        found[stage] = round(now.get(stage, 0.0) + before, 3)
    return found
