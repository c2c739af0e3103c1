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

The seconds of all trials, divided by the trials in work now, and never less than the longest of
them, is the time left.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from orchestration.sharing.certificate import Certificate, Group, Keys
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.terms import Role
from orchestration.views.outline import Learned, Outline
from orchestration.views.running import Running


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


def roles(
    plan: Plan,
    keys: Keys,
    outlines: Mapping[str, Outline],
    running: Mapping[str, Running],
    certificates: Mapping[str, Sequence[Certificate]],
) -> dict[str, Role]:
    """In which role each trial without a record runs, or will if nothing fails.

    `derived` is also that of trials which wait for a certificate.
    """
    seen = {
        **{k: o.role for k, o in outlines.items()},
        **{k: r.role for k, r in running.items() if r.role},
    }
    alone = bool(seen) and set(seen.values()) == {"alone"}
    left = [trial for trial in plan.trials if trial.key not in outlines]
    found: dict[str, Role] = {}
    for trial in left:
        state, group = running.get(trial.key), keys.groups[trial.key]
        if state is not None and state.role is not None:
            found[trial.key] = state.role
        elif alone:
            found[trial.key] = "alone"
        elif not group.several:
            found[trial.key] = "shared"
        elif group.id in certificates:
            holds = any(one.holds for one in certificates[group.id])
            found[trial.key] = "derived" if holds else "alone"
        else:
            found[trial.key] = _role_before(trial, group, outlines)
    return found


def _role_before(trial: Trial, group: Group, outlines: Mapping[str, Outline]) -> Role:
    """Of a trial whose group has no certificate yet: the first order that did not fail is shared,
    one trial of the next is the witness."""
    failed = {k for k, o in outlines.items() if o.status != "finished"}
    open_trials = [t for t in group.trials if t.key not in failed]
    orders = list(dict.fromkeys(t.sequence for t in open_trials))
    if trial.sequence == orders[0]:
        return "shared"
    witness = next((t for t in open_trials if t.sequence != orders[0]), None)
    return "witness" if trial == witness else "derived"


def to_train(
    plan: Plan, keys: Keys, roles: Mapping[str, Role], running: Mapping[str, Running]
) -> dict[str, float]:
    """Classes that each trial without a record has yet to train, those in work first."""
    left = [trial for trial in plan.trials if trial.key in roles]
    known = {
        key for trial in plan.trials if trial.key not in roles for key in keys.tasks[trial.key]
    }
    for state in running.values():
        known |= {keys.tasks[state.trial.key][i] for i in state.learned}
    found: dict[str, float] = {}
    for trial in sorted(left, key=lambda trial: trial.key not in running):
        state, role = running.get(trial.key), roles[trial.key]
        learned = set(state.learned) if state else set[int]()
        wanted = {i: k for i, k in enumerate(keys.tasks[trial.key]) if i not in learned}
        if role == "derived":
            wanted.clear()
        elif role == "shared":
            wanted = {i: key for i, key in wanted.items() if key not in known}
            known |= set(wanted.values())
        part = state.part(wanted) if state else 0.0
        found[trial.key] = sum(len(trial.sequence[i]) for i in wanted) - part
    return found


def pace(outlines: Sequence[Outline], running: Sequence[Running], now: float) -> Pace | None:
    """What is known of it; None while nothing is."""
    own = [one for one in outlines if not one.adopted_from]
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
    plan: Plan,
    roles: Mapping[str, Role],
    running: Mapping[str, Running],
    pace: Pace,
) -> float:
    """Seconds until the last trial ends."""
    rests: list[float] = []
    for key, classes in to_train(plan, keys, roles, running).items():
        state = running.get(key)
        done = state.evaluated / state.tasks if state else 0.0
        trains = classes > 0 or (state is not None and _trained(state))
        rests.append(classes * pace.per_class + (1 - done) * pace.besides(trains))
    return max([fsum(rests) / max(1, len(running)), *rests]) if rests else 0.0


def _learned(one: Outline | Running) -> Sequence[Learned]:
    return one.learned if isinstance(one, Outline) else tuple(one.learned.values())


def _trained(state: Running) -> bool:
    return any(item.source != "shared" for item in state.learned.values())


def _per_class(learned: Iterable[Learned]) -> float | None:
    """Seconds that training a class took, where that is known."""
    known = [item for item in learned if item.seconds]
    classes = sum(item.classes for item in known)
    return fsum(item.seconds for item in known) / classes if classes else None


def _by_epochs(running: Sequence[Running]) -> float | None:
    """The same of tasks in training, by how long the last epoch took."""
    return _mean([state.per_class for state in running if state.per_class])


def _besides(state: Running, now: float) -> float:
    """Of a trial in work, as if the rest went as what is done."""
    return max(0.0, now - state.started - state.trained_seconds) * state.tasks / state.evaluated


def _mean(values: Sequence[float]) -> float | None:
    return fsum(values) / len(values) if values else None
