"""Who trains what: in which role a trial runs, and which of its tasks it trains itself.

Pure functions of what is known, asked by all: by the schedule when a trial may start, by forecasts
of what is left, by the trial itself, and by reports on what was trained apart.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from moleflow.config import Config
from moleflow.data.sequences import Sequence
from orchestration.records.ledger import Record, StageSource
from orchestration.records.stages import TRAINED
from orchestration.sharing.groups import Group, Keys
from orchestration.sharing.keys import StageKeys
from orchestration.studies.expansion import Trial
from orchestration.studies.terms import Role


@dataclass(frozen=True)
class Begun:
    """A trial that was handed out."""

    sequence: Sequence
    role: Role | None
    """None: it has not said so yet."""
    state: Literal["in work", "finished", "failed"]
    learned: Collection[int] = ()
    """Of its tasks, by index, those that it is known to have learned."""


@dataclass(frozen=True)
class Part:
    """What a trial without a record does, or will if nothing fails."""

    role: Role
    trains: tuple[int, ...]
    """Tasks, by index, that it has yet to train."""
    waits: bool = False
    """Whether its role rests on a certificate that is yet to come."""


def role_now(
    trial: Trial, group: Group, begun: Collection[Begun], holds: bool | None, *, sharing: bool
) -> Role | None:
    """The role in which a trial may start; None while it must wait.

    In a group with several orders one order starts as `shared` and one other as `witness`; the
    rest wait until the two can be compared. They are then derived, or trained apart where the
    comparison failed. One that failed is replaced by the next, so nothing waits for ever.

    Args:
        begun: trials of the group.
        holds: whether orders of the group were shown to be exchangeable; None: not compared yet.
    """
    if not sharing:
        return "alone"
    if not group.several:
        return "shared"
    if holds is not None:
        return "derived" if holds else "alone"
    first = first_order(begun)
    if first is None or trial.sequence == first:
        return "shared"
    if any(one.role == "witness" and one.state == "in work" for one in begun):
        return None
    # A witness that ended first is compared when the first order ends.
    ended = any(
        one.role == "witness" and one.state == "finished" and one.sequence != first for one in begun
    )
    waits = ended and any(one.role == "shared" and one.state == "in work" for one in begun)
    return None if waits else "witness"


def first_order(begun: Collection[Begun]) -> Sequence | None:
    """The order that a shared trial runs, or has finished, in."""
    for state in ("in work", "finished"):
        for one in begun:
            if one.role == "shared" and one.state == state:
                return one.sequence
    return None


def parts(
    keys: Keys, begun: Mapping[str, Begun], verdicts: Mapping[str, bool], *, sharing: bool = True
) -> dict[str, Part]:
    """What all trials of a plan that have not ended will do if nothing fails, those in work first.

    Args:
        begun: by trial, those that were handed out.
        verdicts: by group that was compared, whether orders are exchangeable.
    """
    known, members = set[str](), dict[str, list[Begun]]()
    for key, one in begun.items():
        members.setdefault(keys.groups[key].id, []).append(one)
        if takes(one.role or "shared"):
            known |= {keys.tasks[key][index] for index in one.learned}
    ended = {key for key, one in begun.items() if one.state != "in work"}
    left = [trial for trial in keys.trials if trial.key not in ended]
    found: dict[str, Part] = {}
    for trial in sorted(left, key=lambda trial: trial.key not in begun):
        one, group = begun.get(trial.key), keys.groups[trial.key]
        others = members.setdefault(group.id, [])
        role = one.role if one else None
        if role is None:
            role = role_now(trial, group, others, verdicts.get(group.id), sharing=sharing)
            if role is not None:
                others.append(Begun(trial.sequence, role, "in work"))
        tasks, learned = keys.tasks[trial.key], one.learned if one else ()
        trains = [index for index in range(len(tasks)) if index not in learned]
        if takes(role or "derived"):
            trains = [index for index in trains if tasks[index] not in known]
            known |= {tasks[index] for index in trains}
        found[trial.key] = Part(role or "derived", tuple(trains), waits=role is None)
    return found


def takes(role: Role) -> bool:
    """Whether trials of a role take trained stages from others, and give theirs to them."""
    return role in ("shared", "derived")


def apart(role: Role, trial: Trial) -> str:
    """What keeps the trained stages of a trial from those of others: which trial it is, or
    nothing. Not its key: what it has trained stays its own when metrics come to be of another
    version."""
    return "" if takes(role) else trial.identity


def keys_in_role(trial: Trial, role: Role, device: str, threads: int) -> StageKeys:
    """Keys of a trial's stages: its own where it shares nothing."""
    own = apart(role, trial)
    return StageKeys(trial, device, threads, apart=own, features_apart=role == "alone")


def order_free(config: Config) -> bool:
    """Whether what is trained with a task depends on task 0, seed and config alone, not on the
    tasks before it."""
    return config.freeze_base and config.seeding == "by_class"


def trained(record: Record) -> Mapping[str, StageSource]:
    """By task, where its training comes from."""
    return {stage.task: source for stage, source in record.stages.items() if stage.kind in TRAINED}
