"""A search while it runs: what is proposed, kept on disk, and turned into trials."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from moleflow.errors import StoreError
from orchestration.driver import tpe
from orchestration.driver.adoption import adopt
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger, Record
from orchestration.records.objective import outcome, trials_by_proposal
from orchestration.records.plans import write_plan
from orchestration.records.proposals import Proposals
from orchestration.studies.expansion import Plan
from orchestration.studies.points import drawn_proposals, fits
from orchestration.studies.proposing import Proposal, Told, search_id
from orchestration.studies.study import Study

Expand = Callable[[Sequence[Proposal]], Plan]
"""The plan of these proposals."""
Warn = Callable[[str], None]


class Searching:
    """Proposals of a study's search: those on disk first, in their order. One that was made is
    never made again, whatever became of the driver that asked for it."""

    def __init__(self, study: Study, name: str, root: Root, expand: Expand, warn: Warn):
        assert study.search_axis is not None
        self._study, self.axis = study, study.search_axis
        self._root, self._folder = root, root.study(name)
        self._expand = expand
        self._warn = warn
        self._proposals = Proposals(self._folder, search_id(study))
        self._made = self._proposals.kept(warn)
        self.found = len([number for number in self._made if number <= self.axis.trials])
        """Proposals that earlier drivers have made."""
        self.first: int | None = None
        """So many trials are wanted for now; None: all."""
        self.plan = expand(())
        self._go_on()

    @property
    def open(self) -> bool:
        """Whether there is more to be proposed."""
        return self.plan.to_propose > 0 and not self._enough

    @property
    def _enough(self) -> bool:
        return self.first is not None and self.first <= len(self.plan.trials)

    @property
    def sentence(self) -> str:
        """For people, before anything runs."""
        axis, left = self.axis, self.plan.to_propose
        parts = [f"{self.found} of {axis.trials} proposals were made before"] if self.found else []
        parts.append(f"{axis.trials} proposals, {axis.method}, for the largest {axis.objective}")
        parts += [f"{left} of them as results arrive"] if left else []
        return f"search    {'; '.join(parts)}"

    def more(self) -> Plan:
        """The plan with the trials of one more proposal, written to `study.json`; those that
        another study has finished are taken over.

        Raises:
            StudyError: nothing is left in the space.
            StoreError: the study's folder cannot be written.
        """
        before = {trial.key for trial in self.plan.trials}
        self._make(self.plan.proposed + 1)
        self._plan(self.plan.proposed + 1)
        new = tuple(trial for trial in self.plan.trials if trial.key not in before)
        adopt(self.plan.model_copy(update={"trials": new}), self._root, self._warn)
        write_plan(self.plan, self._folder)
        return self.plan

    def _go_on(self) -> None:
        """What was made before, and what can be made without results."""
        last = max([0, *self._made])
        ahead = self.axis.trials if self.axis.method == "random" else tpe.STARTUP
        for one in drawn_proposals(self._study, self._made, min(ahead, self.axis.trials)):
            if one.number not in self._made:
                self._keep(one)
        count = min(max(last, ahead), self.axis.trials)
        for number in range(1, count + 1):
            if number not in self._made:
                self._make(number)
        self._plan(count)

    def _plan(self, count: int) -> None:
        self.plan = self._expand([self._made[number] for number in range(1, count + 1)])

    def _make(self, number: int) -> None:
        """From what is known of the others."""
        others = [one for n, one in sorted(self._made.items()) if n != number]
        self._keep(tpe.proposed(self.axis, number, others, self._told(), self._fits))

    def _keep(self, made: Proposal) -> None:
        self._proposals.keep(made)
        self._made[made.number] = made

    def _told(self) -> tuple[Told, ...]:
        """What is known of the proposals so far."""
        records = {t.key: r for t in self.plan.trials if (r := self._record(t.key)) is not None}
        each = trials_by_proposal(self.plan).items()
        found = (outcome(number, trials, records, self.axis) for number, trials in each)
        return tuple(one for one in found if one is not None)

    def _record(self, key: str) -> Record | None:
        """One that is damaged tells nothing."""
        try:
            return Ledger(self._folder).read_brief(key)
        except StoreError:
            return None

    def _fits(self, values: Mapping[str, Any]) -> bool:
        return fits(self._study, values)
