"""How long the trials that have no record yet will take, from how long others took.

A trial's time is what it trains, and everything besides: features, evaluation, waiting, starting.
- Training costs seconds per class, as measured in this study on tasks that were trained; while none
  has been, by the epochs of those in training; else by what was taken from the store.
- Everything besides is the mean over finished trials of the same sort: those that trained tasks,
  or those that took all of them from others (these also score little). They are never mixed, unless
  no trial of a sort has finished yet.
- Which tasks will be trained is what the keys of their stages say: each key once, once more by a
  witness, none by a trial that is derived, all by one that shares nothing. What other studies have
  put into the store is not known before it is found there.

The seconds of all trials, divided by the trials in work (now, or when the last one began: of those
that end together, each leaves its place empty for a moment), and never less than the longest of
them, is the time left.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from orchestration.sharing.certificate import Certificate, verdicts
from orchestration.sharing.groups import Keys
from orchestration.sharing.roles import Begun, Part, parts
from orchestration.views.record_brief import Learned, RecordBrief
from orchestration.views.trial_state import TrialState


@dataclass(frozen=True)
class Pace:
    """Seconds."""

    per_class: float
    trained: float
    """Besides training, of a trial that trains."""
    taken: float
    """Of one that takes all tasks from others."""

    def besides(self, trains: bool) -> float:
        return self.trained if trains else self.taken


def outlook(
    keys: Keys,
    briefs: Mapping[str, RecordBrief],
    running: Mapping[str, TrialState],
    certificates: Mapping[str, Sequence[Certificate]],
) -> dict[str, Part]:
    """What each trial without a record does, or will do if nothing fails; those in work first."""
    begun = begun_of(keys, briefs, running)
    said = {one.role for one in begun.values() if one.role is not None}
    alone = said == {"alone"}
    return parts(keys, begun, verdicts(certificates), sharing=not alone)


def begun_of(
    keys: Keys, briefs: Mapping[str, RecordBrief], running: Mapping[str, TrialState]
) -> dict[str, Begun]:
    """Trials that have a record or are in work."""
    begun: dict[str, Begun] = {}
    for key, one in briefs.items():
        state = "finished" if one.status == "finished" else "failed"
        tasks = range(len(keys.tasks[key])) if state == "finished" else ()
        begun[key] = Begun(keys.trial(key).sequence, one.role, state, tasks)
    for key, one in running.items():
        begun[key] = Begun(one.trial.sequence, one.role, "in work", frozenset(one.learned))
    return begun


def to_train(
    keys: Keys, left: Mapping[str, Part], running: Mapping[str, TrialState]
) -> dict[str, float]:
    """Classes that each trial without a record has yet to train."""
    found: dict[str, float] = {}
    for key, part in left.items():
        state, sequence = running.get(key), keys.trial(key).sequence
        begun = state.part(part.trains) if state else 0.0
        found[key] = sum(len(sequence[index]) for index in part.trains) - begun
    return found


def pace(briefs: Sequence[RecordBrief], running: Sequence[TrialState], now: float) -> Pace | None:
    """What is known of it; None while nothing is."""
    own = [one for one in briefs if not one.adopted_from]
    learned = [item for one in [*own, *running] for item in _learned(one)]
    made = _per_class(item for item in learned if item.source == "made")
    per_class = made or _by_epochs(running) or _per_class(learned)
    trained = _mean([o.besides for o in own if o.status == "finished" and o.trains])
    taken = _mean([o.besides for o in own if o.status == "finished" and not o.trains])
    so_far = _mean([_besides(state, now) for state in running if state.evaluated])
    either = next((v for v in (trained, taken, so_far) if v is not None), None)
    if per_class is None and either is None:
        return None
    return Pace(
        per_class or 0.0,
        trained if trained is not None else either or 0.0,
        taken if taken is not None else either or 0.0,
    )


def time_left(
    keys: Keys,
    left: Mapping[str, Part],
    running: Mapping[str, TrialState],
    pace: Pace,
    places: int,
) -> float:
    """Seconds until the last trial ends, with so many at once."""
    rests: list[float] = []
    for key, classes in to_train(keys, left, running).items():
        state = running.get(key)
        done = state.evaluated / state.tasks if state else 0.0
        trains = classes > 0 or (state is not None and _trained(state))
        rests.append(classes * pace.per_class + (1 - done) * pace.besides(trains))
    return max([fsum(rests) / max(1, places), *rests]) if rests else 0.0


def _learned(one: RecordBrief | TrialState) -> Sequence[Learned]:
    return one.learned if isinstance(one, RecordBrief) else tuple(one.learned.values())


def _trained(state: TrialState) -> bool:
    return any(item.source != "shared" for item in state.learned.values())


def _per_class(learned: Iterable[Learned]) -> float | None:
    """Seconds that training a class took, where that is known."""
    known = [item for item in learned if item.seconds]
    classes = sum(item.classes for item in known)
    return fsum(item.seconds for item in known) / classes if classes else None


def _by_epochs(running: Sequence[TrialState]) -> float | None:
    """The same of tasks in training, by how long the last epoch took."""
    return _mean([state.per_class for state in running if state.per_class])


def _besides(state: TrialState, now: float) -> float:
    """Of a trial in work, as if the rest went as what is done."""
    return max(0.0, now - state.started - state.trained_seconds) * state.tasks / state.evaluated


def _mean(values: Sequence[float]) -> float | None:
    return fsum(values) / len(values) if values else None
