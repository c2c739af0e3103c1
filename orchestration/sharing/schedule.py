"""Which trial may start next, and in which role. Knows no runner; asked from one thread."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, Record
from orchestration.sharing import certificate
from orchestration.sharing.certificate import Certificate, Group, certify_with, keys_of
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.terms import Role


@dataclass(frozen=True)
class Start:
    """A trial that may start now."""

    trial: Trial
    role: Role


class Schedule:
    """Hands out the trials of a plan that have no record, each once.

    In a group with several orders one order starts as `shared` and one other as `witness`; the rest
    wait until the two can be compared. They are then derived, or trained apart where the comparison
    failed. A trial that failed is replaced by the next one, so nothing waits for ever.
    """

    def __init__(self, plan: Plan, folder: StudyFolder, *, sharing: bool = True):
        self._folder = folder
        self._ledger = Ledger(folder)
        self._sharing = sharing
        self.keys = keys_of(plan)
        records = {
            t.key: r for t in plan.trials if (r := self._ledger.read_brief(t.key)) is not None
        }
        self._waiting = [trial for trial in plan.trials if trial.key not in records]
        self._running: dict[str, Start] = {}
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
        """Whether all trials were handed out."""
        return not self._waiting

    @property
    def failed_certificates(self) -> list[Certificate]:
        """Comparisons that found a difference."""
        return [c for found in self.certificates.values() for c in found if not c.holds]

    def next(self) -> Start | None:
        """A trial that may start now, of a group without one in work first: trials of one group
        would wait for each other's stages. None where all must wait."""
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

    def _hand_out(self, start: Start) -> Start:
        self._waiting.remove(start.trial)
        self._running[start.trial.key] = start
        return start

    def ended(self, key: str) -> None:
        """A trial that was handed out has its record, or was lost."""
        self._running.pop(key, None)
        record = self._ledger.read_brief(key)
        if record is not None:
            self._take(self.keys.groups[key], record)

    def _role(self, trial: Trial, group: Group) -> Role | None:
        if not self._sharing:
            return "alone"
        if not group.several:
            return "shared"
        found = self.certificates.get(group.id, [])
        if found:
            return "derived" if any(c.holds for c in found) else "alone"
        shared = self._order_of(group, "shared")
        if shared is None or trial.sequence == shared:
            return "shared"
        if self._running_in(group, "witness") is not None:
            return None
        # A witness that ended first is compared when the first order ends.
        ended = any(
            record.role == "witness" and record.sequence != shared
            for record in self._records.get(group.id, [])
        )
        waits = ended and self._running_in(group, "shared") is not None
        return None if waits else "witness"

    def _order_of(self, group: Group, role: Role) -> object:
        """The order that a trial of this role runs, or has finished, in."""
        start = self._running_in(group, role)
        if start is not None:
            return start.trial.sequence
        for record in self._records.get(group.id, []):
            if record.role == role:
                return record.sequence
        return None

    def _running_in(self, group: Group, role: Role) -> Start | None:
        for key, start in self._running.items():
            if start.role == role and self.keys.groups[key].id == group.id:
                return start
        return None

    def _take(self, group: Group, record: Record) -> None:
        """Compare a record with others of its group; one that trained nothing shows nothing."""
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
