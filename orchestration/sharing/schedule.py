"""Which trial may start next, and in which role. Knows no runner; asked from one thread."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, Record
from orchestration.sharing import certificate
from orchestration.sharing.certificate import Certificate, certify_with, verdicts
from orchestration.sharing.groups import Group, keys_of
from orchestration.sharing.queue import Queue, Start
from orchestration.sharing.roles import Begun, Part, parts
from orchestration.studies.expansion import Plan, Trial

__all__ = ["Schedule", "Start"]


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
    `sharing.roles` gives them. Of a search it asks for more trials when no other can start."""

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
        waiting = [trial for trial in self.keys.trials if trial.key not in records]
        self._queue = Queue(self.keys, waiting, sharing=sharing)
        self._records: dict[str, list[Record]] = {}
        self.certificates: dict[str, list[Certificate]] = {}
        """By group, what was found so far."""
        for key, record in records.items():
            self._take(self.keys.groups[key], record)

    @property
    def left(self) -> Sequence[Trial]:
        """Trials that were not handed out yet."""
        return self._queue.left

    @property
    def exhausted(self) -> bool:
        """Whether all trials were handed out, and none is yet to be proposed."""
        return self._queue.exhausted and not self._open

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
        return parts(self.keys, self.begun, self.verdicts, sharing=self._sharing)

    @property
    def begun(self) -> Mapping[str, Begun]:
        """By trial, those that were handed out or have a record."""
        return {key: one for group in self._queue.begun.values() for key, one in group.items()}

    @property
    def verdicts(self) -> Mapping[str, bool]:
        """By group that was compared: whether orders are exchangeable."""
        return verdicts(self.certificates)

    def next(self) -> Start | None:
        """A trial that may start now; None where all must wait."""
        while (start := self._queue.next(self._holds)) is None and self._open:
            self._grow()
        return start

    def _grow(self) -> None:
        """Ask for the trials of one more proposal."""
        assert self._proposing is not None
        known = {trial.key for trial in self.plan.trials}
        self.plan = self._proposing.more()
        self.keys = keys_of(self.plan)
        new = [trial for trial in self.plan.trials if trial.key not in known]
        records = {trial.key: self._ledger.read_brief(trial.key) for trial in new}
        self._queue.add(self.keys, [trial for trial in new if records[trial.key] is None])
        for key, record in records.items():
            if record is not None:
                self._take(self.keys.groups[key], record)
        for tell in self.grown:
            tell(self.plan)

    def _holds(self, group: str) -> bool | None:
        found = self.certificates.get(group)
        return any(one.holds for one in found) if found else None

    def ended(self, key: str) -> None:
        """A trial that was handed out has its record, or was lost."""
        self._queue.ended(key, None)
        record = self._ledger.read_brief(key)
        if record is not None:
            self._take(self.keys.groups[key], record)

    def _take(self, group: Group, record: Record) -> None:
        """Compare a record with others of its group; one that trained nothing shows nothing."""
        state = "finished" if record.status == "finished" else "failed"
        self._queue.ended(record.key, Begun(record.sequence, record.role, state))
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
