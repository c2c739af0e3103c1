"""Which trial may start next, and in which role. Knows no runner; asked from one thread."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, Record
from orchestration.sharing import certificate
from orchestration.sharing.certificate import Certificate, certify_with, verdicts
from orchestration.sharing.groups import Group, keys_of
from orchestration.sharing.roles import Begun, Part, parts, role_now
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.terms import Role


@dataclass(frozen=True)
class Start:
    """A trial that may start now."""

    trial: Trial
    role: Role


class Proposing(Protocol):
    """What makes the plan of a search longer."""

    @property
    def open(self) -> bool:
        """Whether there is more to be proposed."""
        ...

    def more(self) -> Plan:
        """The plan with the trials of one more proposal."""
        ...


class Schedule:
    """Hands out the trials of a plan that have no record, each once, in the role that
    `sharing.roles` gives them; the first of `sharing.precedence` first, as far as it may start. Of
    a search it asks for more trials when no other can start."""

    def __init__(
        self,
        plan: Plan,
        folder: StudyFolder,
        *,
        sharing: bool = True,
        proposing: Proposing | None = None,
    ):
        self.plan = plan
        self.grown: list[Callable[[Plan], None]] = []
        """Told of every longer plan."""
        self._proposing = proposing
        self._folder = folder
        self._ledger = Ledger(folder)
        self._sharing = sharing
        self.keys = keys_of(plan)
        records = {
            t.key: r for t in plan.trials if (r := self._ledger.read_brief(t.key)) is not None
        }
        self._waiting = [trial for trial in self.keys.trials if trial.key not in records]
        self._begun: dict[str, dict[str, Begun]] = {}
        """By group, and by trial."""
        self._running: set[str] = set()
        self._records: dict[str, list[Record]] = {}
        self.certificates: dict[str, list[Certificate]] = {}
        """By group, what was found so far."""
        for key, record in records.items():
            self._take(self.keys.groups[key], record)

    @property
    def left(self) -> Sequence[Trial]:
        """Trials that were not handed out yet."""
        return tuple(self._waiting)

    @property
    def exhausted(self) -> bool:
        """Whether all trials were handed out, and none is yet to be proposed."""
        return not self._waiting and not self._open

    @property
    def _open(self) -> bool:
        return self._proposing is not None and self._proposing.open

    @property
    def failed_certificates(self) -> list[Certificate]:
        """Comparisons that found a difference."""
        return [c for found in self.certificates.values() for c in found if not c.holds]

    def outlook(self) -> Mapping[str, Part]:
        """What each trial without a record will do if nothing fails, and if nothing that it
        trains lay in the store."""
        begun = {key: one for group in self._begun.values() for key, one in group.items()}
        return parts(self.keys, begun, verdicts(self.certificates), sharing=self._sharing)

    def next(self) -> Start | None:
        """A trial that may start now, of a group without one in work first: trials of one group
        would wait for each other's stages. None where all must wait."""
        while (start := self._next()) is None and self._open:
            self._grow()
        return start

    def _next(self) -> Start | None:
        busy = {self.keys.groups[key].id for key in self._running}
        later: Start | None = None
        for trial in self._waiting:
            group = self.keys.groups[trial.key]
            role = self._role(trial, group) if later is None or group.id not in busy else None
            if role is None:
                continue
            later = later or Start(trial, role)
            if group.id not in busy:
                return self._hand_out(Start(trial, role))
        return None if later is None else self._hand_out(later)

    def _grow(self) -> None:
        """Ask for the trials of one more proposal."""
        assert self._proposing is not None
        known = {trial.key for trial in self.plan.trials}
        self.plan = self._proposing.more()
        self.keys = keys_of(self.plan)
        for trial in self.plan.trials:
            if trial.key in known:
                continue
            record = self._ledger.read_brief(trial.key)
            if record is None:
                self._waiting.append(trial)
            else:
                self._take(self.keys.groups[trial.key], record)
        for tell in self.grown:
            tell(self.plan)

    def _role(self, trial: Trial, group: Group) -> Role | None:
        begun = self._begun.get(group.id, {}).values()
        found = self.certificates.get(group.id)
        holds = any(one.holds for one in found) if found else None
        return role_now(trial, group, begun, holds, sharing=self._sharing)

    def _hand_out(self, start: Start) -> Start:
        self._waiting.remove(start.trial)
        self._running.add(start.trial.key)
        group = self.keys.groups[start.trial.key]
        begun = Begun(start.trial.sequence, start.role, "in work")
        self._begun.setdefault(group.id, {})[start.trial.key] = begun
        return start

    def ended(self, key: str) -> None:
        """A trial that was handed out has its record, or was lost."""
        self._running.discard(key)
        group = self.keys.groups[key]
        self._begun.get(group.id, {}).pop(key, None)
        record = self._ledger.read_brief(key)
        if record is not None:
            self._take(group, record)

    def _take(self, group: Group, record: Record) -> None:
        """Compare a record with others of its group; one that trained nothing shows nothing."""
        state = "finished" if record.status == "finished" else "failed"
        begun = Begun(record.sequence, record.role, state)
        self._begun.setdefault(group.id, {})[record.key] = begun
        if record.role == "derived" or record.status != "finished" or not group.several:
            return
        earlier = self._records.setdefault(group.id, [])
        before = self.certificates.get(group.id, [])
        found = certify_with(group.id, before, record, earlier)
        earlier.append(record)
        for one in found:
            if one not in before:
                certificate.write(one, self._folder)
        if found:
            self.certificates[group.id] = found
