"""Order invariance, measured: with a frozen base a class's bank depends on task 0, seed and config.

So trials that share these, and differ in order, must have bit-identical banks and scores of every
task that both of them learn. Only what they trained apart from each other is compared: a bank that
one trial took from another is the same by construction and shows nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from moleflow.data.sequences import task_name
from moleflow.wording import counted, grouped
from orchestration.records.ledger import Record
from orchestration.sharing import certificate
from orchestration.sharing.keys import task_keys
from orchestration.sharing.roles import order_free, trained
from orchestration.studies.trial_keys import digest, key_settings
from reports.document import Line, Number, Table, Value, Words, computed, plain, table
from reports.evidence import Evidence, Setting, keys
from reports.performance import file_name

KINDS = {"bank": "banks", "scores": "classes’ scores", "base": "bases"}
"""First word of a name in `Record.hashes`, and what it is for people."""


@dataclass(frozen=True)
class Mismatch:
    """Two trials that should hold the same bytes, and do not."""

    name: str
    """E.g. `bank bottle`."""
    task0: str
    seed: int
    reference: Record
    other: Record

    @property
    def pair(self) -> tuple[Record, Record]:
        return self.reference, self.other


@dataclass(frozen=True)
class Comparison:
    """What was compared of one kind."""

    kind: str
    made: int
    """Each trial of a group against the group's first: n trials give n − 1."""
    identical: int


@dataclass(frozen=True)
class Invariance:
    """Outcome over all groups of trials that share task 0, seed, config, data and device kind."""

    comparisons: tuple[Comparison, ...]
    groups: int
    orders: int
    """Most orders in one group."""
    mismatches: tuple[Mismatch, ...]
    by_design: int = 0
    """Trials whose banks depend on the order by design, and were not compared."""
    derived: int = 0
    """Trials that trained nothing: what the compared ones trained was used in another order."""
    trials: tuple[str, ...] = ()
    """Keys of all that were looked at."""

    @property
    def sentence(self) -> str:
        """The words alone."""
        return plain(self.words)

    @property
    def proof(self) -> str:
        """That training knows no order, in a few words; empty where nothing was compared, or
        something differs."""
        made = sum(one.made for one in self.comparisons)
        if not made or self.mismatches:
            return ""
        return f"{grouped(made)} of {grouped(made)} hashes equal between orders trained apart"

    @property
    def words(self) -> Words:
        """What was found, with every n; says so where nothing could be compared."""
        source = computed(compare, self.trials)
        if self.by_design:
            many = Number(f"{self.by_design} of the trials", source)
            return (
                "Not compared: in ",
                many,
                " the base goes on training or random streams are named by position, so banks "
                "depend on the order by design.",
            )
        if not self.groups:
            return (
                "No two finished trials share task 0, seed, config and device and differ in order, "
                "so there was nothing to compare."
            )
        parts = [
            Number(f"{grouped(c.identical)} of {grouped(c.made)} {KINDS[c.kind]}", source)
            for c in self.comparisons
            if c.made
        ]
        groups = Number(f"n = {counted(self.groups, 'group')}", source)
        where = (groups, " with the same task 0 and seed")
        if not parts:
            lead = "The trials share all that they trained, so none could be compared ("
            return (lead, *where, ").")
        further = "trial was" if self.derived == 1 else "trials were"
        derived = (
            " ",
            Number(f"{self.derived} further {further}", source),
            " derived, with what the compared ones trained, in another order.",
        )
        joined = [word for part in parts for word in (", ", part)][1:]
        return (
            "Bit-identical between trials with different orders, trained apart: ",
            *joined,
            " (",
            Number(f"up to {self.orders} orders each", source),
            ", ",
            *where,
            ").",
            *(derived if self.derived else ()),
        )


def compare(records: Sequence[Record]) -> Invariance:
    """Compare the recorded SHA-256 of finished trials with different orders."""
    groups: dict[tuple[object, ...], list[Record]] = {}
    free = [record for record in records if order_free(record.config)]
    for record in free:
        groups.setdefault(_shared(record), []).append(record)
    compared = [group for group in groups.values() if len({r.order for r in group}) > 1]
    made, identical = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)
    mismatches: list[Mismatch] = []
    for reference, *others in compared:
        for other in others:
            for name in _comparable(reference, other):
                kind = name.split(" ")[0]
                made[kind] += 1
                if reference.hashes[name] == other.hashes[name]:
                    identical[kind] += 1
                else:
                    found = Mismatch(name, other.task0, other.seed, reference, other)
                    mismatches.append(found)
    comparisons = tuple(Comparison(kind, made[kind], identical[kind]) for kind in KINDS)
    most = max(
        (len({r.order for r in group if r.role != "derived"}) for group in compared), default=0
    )
    by_design = len(records) - len(free)
    derived = sum(record.role == "derived" for record in free)
    return Invariance(
        comparisons,
        len(compared),
        most,
        tuple(mismatches),
        by_design,
        derived,
        tuple(keys(records)),
    )


def _comparable(one: Record, other: Record) -> list[str]:
    """What both recorded of tasks whose training depends on the same in both."""
    keys_of_one, keys_of_other = _stage_keys(one), _stage_keys(other)
    return sorted(
        name
        for name in one.hashes.keys() & other.hashes.keys()
        if name.split(" ")[0] in KINDS
        and keys_of_one[_task(one, name)] == keys_of_other.get(_task(other, name))
        and _maker(one, name) != _maker(other, name)
    )


def _stage_keys(record: Record) -> dict[str, str]:
    """By task, the key of all that its training depends on but the kind of machine."""
    return dict(zip(map(task_name, record.sequence), task_keys(record.trial), strict=True))


def _maker(record: Record, name: str) -> str:
    """Key of the trial that trained what a hash is of."""
    source = trained(record).get(_task(record, name))
    return record.key if source is None else source.trial


def _task(record: Record, name: str) -> str:
    """Name of the task that what a hash is of was trained with; a score's bank decides."""
    kind, _, what = name.partition(" ")
    task = next((t for t in record.sequence if what in t), None) if kind == "scores" else None
    return task_name(task) if task else what or record.task0


def _shared(record: Record) -> tuple[object, ...]:
    """What all tasks' training and scores may depend on: the base, all settings, and the machine,
    threads too, since sums over patches are split among them."""
    base, settings = task_keys(record.trial)[0], digest(key_settings(record.config))
    return base, settings, record.device, record.threads


def _place(record: Record) -> tuple[str, int]:
    return record.task0, record.seed


def certificate_table(evidence: Evidence, setting: Setting) -> Table:
    """The comparisons that derived orders rest on, as they were kept when they were made."""
    finished = {record.key: record for record in setting.finished}
    rows: list[list[str]] = []
    data: list[Line] = []
    every = (one for of in certificate.read(evidence.folder).values() for one in of)
    found = [one for one in every if set(one.trials) <= set(finished)]
    for one in sorted(found, key=lambda one: _place(finished[one.trials[0]])):
        first = finished[one.trials[0]]
        equal = len(one.hashes) - len(one.mismatches)
        rows.append(
            [
                evidence.tasks[first.task0],
                str(first.seed),
                "identical" if one.holds else "different",
                f"{equal} of {len(one.hashes)}",
                f"{one.device}, threads: {one.threads}",
                digest(one.hashes)[:16],
            ]
        )
        line: dict[str, Value] = {"task0": first.task0, "seed": first.seed, "holds": one.holds}
        line |= {"trial": one.trials[0], "other_trial": one.trials[1], "device": one.device}
        line |= {"order": first.order, "other_order": finished[one.trials[1]].order}
        line |= {"hashes": len(one.hashes), "equal": equal, "digest": digest(one.hashes)}
        data.append(Line(line, computed(certificate_table, one.trials)))
    caption = (
        "Certificates: two orders trained in full and apart, before others were derived; SHA-256 "
        "of the base, every bank and every class’s scores (certificates/*.json)"
    )
    header = ("Task 0", "Seed", "Result", "Hashes equal", "Device", "Digest")
    source = computed(certificate_table, finished)
    name = file_name("certificates", setting)
    return table(name, caption, header, rows, data, source, {0, 2, 4, 5})


def mismatch_table(found: Invariance, setting: Setting) -> Table:
    """Every mismatch, with the two trials and where they ran."""
    rows = [
        (
            m.name,
            m.task0,
            str(m.seed),
            m.reference.key,
            m.other.key,
            f"{_where(m.reference)} / {_where(m.other)}",
        )
        for m in found.mismatches
    ]
    data = [Line(_tidy(m), computed(mismatch_table, keys(m.pair))) for m in found.mismatches]
    header = ("What", "Task 0", "Seed", "Trial", "Other trial", "Ran on")
    caption = "Not bit-identical, though task 0, seed, config and device kind are the same"
    name = file_name("invariance_mismatches", setting)
    source = computed(mismatch_table, found.trials)
    return table(name, caption, header, rows, data, source, len(header))


def _tidy(found: Mismatch) -> dict[str, Value]:
    one, other = found.pair
    return {
        "name": found.name,
        "task0": found.task0,
        "seed": found.seed,
        "trial": one.key,
        "other_trial": other.key,
        "order": one.order,
        "other_order": other.order,
    }


def _where(record: Record) -> str:
    return f"{record.host}, threads: {record.threads}"
