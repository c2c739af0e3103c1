"""What a study cost: parameters, memory against the number of tasks, seconds by kind of stage, and
hours by machine. From records alone: what nobody recorded is not here."""
# pyright: reportUnknownMemberType=false

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure as Canvas

from moleflow.data.sequences import task_name
from moleflow.drawing import colour, guides, house_style, marker
from moleflow.wording import counted, grouped
from orchestration.records.ledger import Record
from orchestration.records.stages import SUMMARY, StageKind, StageRef
from reports.digits import seconds, span
from reports.document import (
    DASH,
    Cell,
    Figure,
    Line,
    Number,
    Source,
    Table,
    Value,
    Words,
    computed,
    drawn,
    table,
)
from reports.evidence import Evidence, Setting, keys
from reports.statistics import summarise
from reports.variants import called

HOUR = 3600
BYTES = 4
"""Of a trained parameter: float32."""
MEBIBYTE = 2**20
MOST_LINES = 6
KINDS: dict[StageKind, str] = {
    "features": "features of a class",
    "base": "base, with task 0",
    "adapter": "bank of a later task",
    "evaluation": "evaluation after a task",
}
TOLD: dict[StageKind, str] = {
    "base": "Learning task 0 takes ",
    "adapter": "Learning a later task takes ",
}
PICTURES: dict[StageKind, str] = {
    "features": "picture",
    "base": "training picture, all epochs",
    "adapter": "training picture, all epochs",
    "evaluation": "test picture of that task",
}


@dataclass(frozen=True)
class Sizes:
    """Trained parameters of a setting, as some of its trials recorded them: all, where they agree,
    as they do not depend on seed or order."""

    setting: Setting
    records: tuple[Record, ...]
    """That say these."""
    known: int
    """Trials of the setting that say some."""
    tasks: int
    """Of the longest sequence."""

    @property
    def record(self) -> Record:
        """One that says them."""
        return self.records[0]

    @property
    def base(self) -> int:
        return self.record.parameters["base"]

    @property
    def bank(self) -> int:
        return self.record.parameters["bank"]

    @property
    def added(self) -> int:
        """By each task after the first."""
        return self.bank + (self.base if self.record.config.separate else 0)

    def after(self, tasks: int) -> int:
        """So many tasks."""
        return self.base + self.bank + (tasks - 1) * self.added


def sizes(settings: Sequence[Setting]) -> list[Sizes]:
    """Of settings with a finished trial that says its parameters; several of one whose trials do
    not agree."""
    found: list[Sizes] = []
    for setting in settings:
        alike: dict[frozenset[tuple[str, int]], list[Record]] = {}
        for record in setting.finished:
            if {"base", "bank"} <= record.parameters.keys():
                alike.setdefault(frozenset(record.parameters.items()), []).append(record)
        known = sum(map(len, alike.values()))
        for of in alike.values():
            tasks = max(len(record.sequence) for record in of)
            found.append(Sizes(setting, tuple(of), known, tasks))
    return found


def parameters_table(found: Sequence[Sizes]) -> Table:
    """Base, what a task adds, and a whole sequence."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for one in found:
        source = computed(parameters_table, keys(one.records))
        total = one.after(one.tasks)
        share = one.added / one.base if one.base else None
        texts = [grouped(n) for n in (one.base, one.added)]
        texts += [DASH if share is None else f"{100 * share:.1f} %", str(one.tasks), grouped(total)]
        parts = ", ".join(f"{name} {grouped(n)}" for name, n in _parts(one.record) if n)
        cells = [Cell(texts[0], source=source), Cell(texts[1], parts, source)]
        cells += [Cell(text, source=source) for text in texts[2:]]
        rows.append([_named(one, source), *cells])
        line: dict[str, Value] = {**one.setting.fields, "trials": len(one.records)}
        line |= {"base": one.base}
        line |= {"added": one.added, "added_share": share, "tasks": one.tasks, "total": total}
        data.append(Line(line | {f"bank/{name}": n for name, n in _parts(one.record)}, source))
    caption = (
        "Trained parameters: of the base, of what each further task adds (and its parts), and of "
        "a whole sequence. The backbone is not trained and not counted"
    )
    header = ("Setting", "Base", "A task adds", "Of the base", "Tasks", "In all")
    whole = computed(parameters_table, [key for one in found for key in keys(one.records)])
    return table("cost_parameters", caption, header, rows, data, whole)


def _named(one: Sizes, source: Source) -> Cell:
    """The setting; and of how many of its trials this is, where they do not agree."""
    few = f"{len(one.records)} of {one.known} trials: they do not agree"
    told = [one.setting.also, few if len(one.records) < one.known else ""]
    return Cell(called(one.setting), "\n".join(filter(None, told)), source)


def _parts(record: Record) -> list[tuple[str, int]]:
    return [
        (name.removeprefix("bank/"), n)
        for name, n in record.parameters.items()
        if name.startswith("bank/")
    ]


def memory_figure(found: Sequence[Sizes]) -> Figure:
    """Bytes of trained parameters against the number of tasks, and of a base for each of them; of
    settings that are equal in this the first."""
    different = {(one.base, one.added, one.tasks): one for one in reversed(found)}
    shown = [one for one in found if one in different.values()][:MOST_LINES]
    with house_style():
        canvas = Canvas(figsize=(5.6, 3.2))
        ax = canvas.subplots()
        for i, one in enumerate(shown):
            tasks = range(1, one.tasks + 1)
            size = [one.after(n) * BYTES / MEBIBYTE for n in tasks]
            ax.plot(
                tasks, size, marker(i), color=colour(i), ms=3.5, ls="-", label=called(one.setting)
            )
            whole = [n * one.base * BYTES / MEBIBYTE for n in tasks]
            ax.plot(tasks, whole, color=colour(i), ls=":", lw=1)
        guides(ax)
        ax.locator_params(axis="x", integer=True)
        ax.set_xlabel("tasks learned")
        ax.set_ylabel("MiB")
        ax.set_ylim(bottom=0)
        if len(shown) > 1:
            ax.legend(fontsize=7)
    last = shown[0]
    source = computed(memory_figure, keys(last.records))
    caption: Words = (
        "Trained parameters at 4 bytes each that a model holds; dotted: a whole base for every "
        "task. Buffers and the router’s statistics are not recorded, and not in it. "
        f"{called(last.setting)}: ",
        Number(f"{last.after(last.tasks) * BYTES / MEBIBYTE:.2f} MiB", source),
        " after ",
        Number(counted(last.tasks, "task"), source),
        ", against ",
        Number(f"{last.tasks * last.base * BYTES / MEBIBYTE:.2f} MiB", source),
        ".",
    )
    every = computed(memory_figure, [one.record.key for one in found])
    n = counted(len(shown), "setting")
    n += f" of {len(found)}" if len(found) > len(shown) else ""
    others = ", the others equal or left out" if len(found) > len(shown) else ""
    title, words = "Memory against the number of tasks", (Number(n, every), others)
    return drawn(canvas, "cost_memory", title, "MiB", words, caption)


@dataclass(frozen=True)
class Computed:
    """One computation of a stage."""

    seconds: float
    pictures: int
    trial: str
    """Whose record tells of it."""


def computations(records: Iterable[Record], kind: StageKind) -> tuple[list[Computed], int]:
    """Each once, whichever trial made it; and how many were taken from other trials instead."""
    found: dict[object, Computed] = {}
    taken = 0
    for record in records:
        for stage in dict.fromkeys((*record.stages, *record.seconds)):
            if stage.kind != kind or stage.task == SUMMARY:
                continue
            told = record.stages.get(stage)
            taken += told is not None and told.source == "shared"
            if told is not None and not told.trial:
                continue
            took = record.seconds[stage] if told is None else told.seconds
            place = told.key if told is not None else (record.key, stage)
            found.setdefault(place, Computed(took, _pictures(record, stage), record.key))
    return list(found.values()), taken


def _pictures(record: Record, stage: StageRef) -> int:
    """That the work is done for: see `PICTURES`."""
    classes = [c for task in record.sequence if task_name(task) == stage.task for c in task]
    known = [record.data[name] for name in (classes or [stage.task]) if name in record.data]
    train = sum(one.train for one in known)
    test = sum(one.test_good + one.test_anomalous for one in known)
    return {"features": train + test, "evaluation": test}.get(stage.kind, train)


def stages_table(settings: Sequence[Setting]) -> Table:
    """Seconds by kind of stage and setting."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for setting in settings:
        for kind, title in KINDS.items():
            made, taken = computations(setting.finished, kind)
            each = summarise(one.seconds for one in made)
            if each is None:
                continue
            source = computed(stages_table, [one.trial for one in made])
            total, pictures = sum(one.seconds for one in made), sum(one.pictures for one in made)
            per = 1000 * total / pictures if pictures else None
            texts = (seconds(each), grouped(each.n), f"{total / HOUR:,.2f}", grouped(taken))
            cells = [Cell(text, source=source) for text in texts]
            cells += [Cell(DASH if per is None else f"{per:,.1f}", f"per {PICTURES[kind]}", source)]
            rows.append([Cell(called(setting), setting.also), title, *cells])
            line: dict[str, Value] = {**setting.fields, "kind": kind, "computed": each.n}
            line |= {"seconds_mean": each.mean, "seconds_sd": each.sd, "hours": total / HOUR}
            line |= {"taken": taken, "pictures": pictures, "ms_per_picture": per}
            data.append(Line(line, source))
    caption = (
        "Wall seconds by kind of stage, over every computation that finished trials rest on, each "
        "counted once: mean ± sd; of a second in which n tasks were trained at once each has 1/n"
    )
    header = ("Setting", "Stage", "Seconds", "Computed", "Hours", "Taken", "ms per picture")
    whole = computed(stages_table, [k for s in settings for k in keys(s.finished)])
    return table("cost_stages", caption, header, rows, data, whole, 2)


def hardware_table(evidence: Evidence) -> Table:
    """Hours at work by machine, with what did not finish."""
    alike: dict[tuple[str, int, str], list[Record]] = {}
    for record in evidence.records:
        alike.setdefault((record.device, record.threads, record.host), []).append(record)
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for (device, threads, host), records in sorted(alike.items()):
        source = computed(hardware_table, keys(records))
        lost = [record for record in records if record.status != "finished"]
        hours, lost_hours = _hours(records), _hours(lost)
        memory = max(record.peak_memory for record in records) / 2**30 or None
        gigabytes = f"{memory:.2f}" if memory else DASH
        texts = (
            grouped(len(records)),
            grouped(len(lost)),
            f"{hours:,.2f}",
            f"{lost_hours:,.2f}",
            gigabytes,
        )
        named = [device, str(threads), host]
        rows.append([*named, *(Cell(text, source=source) for text in texts)])
        line: dict[str, Value] = {"device": device, "threads": threads, "host": host}
        line |= {"trials": len(records), "not_finished": len(lost), "hours": hours}
        line |= {"hours_not_finished": lost_hours, "peak_memory_gib": memory}
        data.append(Line(line, source))
    caption = (
        "Hours in which trials were at work, by kind of device, threads and host; lost are those "
        "of trials that diverged, failed or were stopped. A trial on a share of a GPU counts whole"
    )
    header = ("Device", "Threads", "Host", "Trials", "Not finished", "Hours", "Of these lost",
              "Most memory [GiB]")  # fmt: skip
    whole = computed(hardware_table, keys(evidence.records))
    return table("cost_hardware", caption, header, rows, data, whole, {0, 2})


def _hours(records: Iterable[Record]) -> float:
    return sum(record.working_seconds for record in records) / HOUR


def sentences(
    evidence: Evidence, settings: Sequence[Setting], found: Sequence[Sizes]
) -> Iterator[Words]:
    """Parameters, seconds of a task, hours of all."""
    if found:
        yield _of_parameters(found)
    for kind, words in TOLD.items():
        made, _ = computations((r for s in settings for r in s.finished), kind)
        each = summarise(one.seconds for one in made)
        if each is not None:
            source = computed(sentences, [one.trial for one in made])
            of = f"n = {each.n} trained"
            yield words, Number(f"{seconds(each)} s", source), " (", Number(of, source), ")."
    if evidence.records:
        yield _of_hours(evidence)


def _of_parameters(found: Sequence[Sizes]) -> Words:
    source = computed(sentences, [key for one in found for key in keys(one.records)])
    return (
        "Each task after the first adds ",
        Number(span(one.added for one in found), source),
        " trained parameters to a base of ",
        Number(span(one.base for one in found), source),
        " (",
        Number(counted(len({one.setting.number for one in found}), "setting"), source),
        ").",
    )


def _of_hours(evidence: Evidence) -> Words:
    lost = [record for record in evidence.records if record.status != "finished"]
    source = computed(sentences, keys(evidence.records))
    devices = sorted({record.device for record in evidence.records})
    words: Words = (
        "All of it kept trials at work for ",
        Number(f"{_hours(evidence.records):,.2f} hours", source),
    )
    if lost:
        words += (", ", Number(f"{_hours(lost):,.2f}", source), " of them in ")
        words += (Number(f"{len(lost)} of {counted(len(evidence.records), 'trial')}", source),)
        words += (" that did not finish",)
    return (*words, f"; on {', '.join(devices)}.")
