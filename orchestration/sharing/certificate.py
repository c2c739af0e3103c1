"""Order invariance, shown before it is used (docs/design.md: order invariance).

With a frozen base a task's bank depends on task 0, seed and config, not on the tasks before it.
Trials whose stages have the same keys in other orders make a *group*. Two of its orders are trained
in full, apart from each other; when the hashes of all that they trained and scored agree to the
bit, the other orders are derived: they take the trained stages, and only route and measure anew.
"""

import time
from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from moleflow.data.sequences import Sequence as TaskSequence
from moleflow.settings import Settings
from orchestration.records.files import write_atomically
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Record
from orchestration.sharing.roles import trained
from orchestration.studies.trial_keys import digest


class Certificate(Settings):
    """What two trials with different orders were found to hold, on one kind of machine."""

    group: str
    holds: bool
    """Whether all that was compared is identical to the bit."""
    device: str
    threads: int
    trials: tuple[str, str]
    """Keys of the trials."""
    orders: tuple[TaskSequence, TaskSequence]
    moved: tuple[str, ...]
    """Tasks whose banks the two trained after different tasks: what the comparison rests on."""
    hashes: dict[str, tuple[str, str]] = Field(default_factory=dict[str, tuple[str, str]])
    """SHA-256 in each trial of the base, of every bank and of every class's scores."""
    made: float

    @property
    def mismatches(self) -> list[str]:
        return [name for name, (one, other) in self.hashes.items() if one != other]


def certify_with(
    group: str, found: Sequence[Certificate], record: Record, earlier: Iterable[Record]
) -> list[Certificate]:
    """What was found before, at most one certificate per kind of machine, and what one more record
    adds to it; where two of a kind disagree about a hash, the one that does not hold."""
    by_machine = {(known.device, known.threads): known for known in found}
    for other in earlier:
        one = compare(group, other, record)
        if one is not None and by_machine.setdefault((one.device, one.threads), one).holds:
            by_machine[one.device, one.threads] = one
    return list(by_machine.values())


def compare(group: str, one: Record, other: Record) -> Certificate | None:
    """What two trials show; None where they show nothing: not both finished, of one order, on
    different kinds of machine, or with a stage that one took from the other or both from a third.
    """
    if {one.status, other.status} != {"finished"} or one.sequence == other.sequence:
        return None
    if (one.device, one.threads) != (other.device, other.threads):
        return None
    first, second = trained(one), trained(other)
    if first.keys() != second.keys() or any(
        first[name].trial == second[name].trial for name in first
    ):
        return None
    moved = tuple(sorted(name for name in first if first[name].after != second[name].after))
    names = sorted(one.hashes.keys() | other.hashes.keys())
    if not moved or not names:
        return None
    hashes = {name: (one.hashes.get(name, ""), other.hashes.get(name, "")) for name in names}
    return Certificate(
        group=group,
        holds=all(a == b for a, b in hashes.values()),
        device=one.device,
        threads=one.threads,
        trials=(one.key, other.key),
        orders=(one.sequence, other.sequence),
        moved=moved,
        hashes=hashes,
        made=time.time(),
    )


def verdicts(found: Mapping[str, Iterable[Certificate]]) -> dict[str, bool]:
    """By group that was compared: whether its orders are exchangeable on some kind of machine."""
    compared = {group: [one.holds for one in ones] for group, ones in found.items()}
    return {group: any(holds) for group, holds in compared.items() if holds}


def write(certificate: Certificate, folder: StudyFolder) -> None:
    """Keep a certificate beside the ledger.

    Raises:
        StoreError: the folder cannot be written.
    """
    machine = digest([certificate.device, certificate.threads])[:8]
    path = folder.certificates / f"{certificate.group}-{machine}.json"
    write_atomically(path, certificate.model_dump_json(indent=1))


def read(folder: StudyFolder, group: str = "*") -> dict[str, list[Certificate]]:
    """Certificates of one group or of all, by group; none that cannot be read counts."""
    found: dict[str, list[Certificate]] = {}
    for path in sorted(folder.certificates.glob(f"{group}-*.json")):
        try:
            one = Certificate.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        found.setdefault(one.group, []).append(one)
    return found


def holds_on(folder: StudyFolder, group: str, device: str, threads: int) -> bool:
    """Whether orders may be derived on this kind of machine."""
    return any(
        (found.device, found.threads) == (device, threads) and found.holds
        for found in read(folder, group).get(group, [])
    )
