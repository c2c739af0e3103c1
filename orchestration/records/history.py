"""What a trial's attempts did before they were interrupted, as far as its events tell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from orchestration.records.events import Event
from orchestration.records.ledger import Span, StageSource


@dataclass(frozen=True)
class History:
    """Of attempts at one trial."""

    spans: tuple[Span, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    """Wall time by stage, e.g. `adapter cookie`, of the stages that ended."""


def history(events: Iterable[Event]) -> History:
    """All attempts, each until its last word."""
    spans, seconds = list[Span](), dict[str, float]()
    for event in events:
        if event.kind == "attempt":
            spans.append(Span(started=event.time, ended=event.time))
        elif spans:
            spans[-1] = Span(started=spans[-1].started, ended=max(spans[-1].ended, event.time))
        if event.kind == "stage" and event.state == "finished":
            name = f"{event.stage} {event.name}"
            seconds[name] = seconds.get(name, 0.0) + event.seconds
    return History(tuple(spans), seconds)


def before_last_attempt(events: Sequence[Event]) -> History:
    """All attempts but the present one."""
    begun = max((i for i, event in enumerate(events) if event.kind == "attempt"), default=0)
    return history(events[:begun])


def all_seconds(
    earlier: History, now: dict[str, float], sources: dict[str, StageSource]
) -> dict[str, float]:
    """Wall time by stage in all attempts: what a store says of a stage that an earlier one made
    counts where no event does."""
    found = dict(now)
    for name in earlier.seconds.keys() | now.keys():
        source = sources.get(name)
        resumed = source.seconds if source is not None and source.source == "resumed" else 0.0
        before = max(earlier.seconds.get(name, 0.0), resumed)
        found[name] = round(now.get(name, 0.0) + before, 3)
    return found
