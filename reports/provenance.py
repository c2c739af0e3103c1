"""What was asked and run: data, settings, machines, time; and what did not finish."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from moleflow.config import Config
from moleflow.data.sequences import order_name, task_name
from moleflow.wording import counted, grouped
from orchestration.records.ledger import ClassSummary, Record, Span
from orchestration.sharing.no_effect import cautions
from reports.digits import MOST_LISTED, listed, span
from reports.document import DASH, Cell, Line, Table, Value, computed, table
from reports.evidence import Evidence, keys

Part = tuple[str, float | None]
"""Of a setting: words with a place for a number, and the number; None where they have no place."""
COMMIT, SHORT = re.compile(r"\b[0-9a-f]{40}\b"), 12
"""Of git; letters that tell it from others."""
UNTRAINED = (
    "The backbone is untrained (seeded random weights): these numbers show that the machinery "
    "works; they say nothing about the method."
)
SYNTHETIC = (
    "The data is synthetic, made by the program itself: these numbers say nothing about real "
    "images."
)


def differences(one: Config, other: Config) -> Iterator[tuple[str, str, str]]:
    """Every field that two configs do not share: its name, and its value in each as JSON."""
    trees = one.flat(), other.flat()
    for name in dict.fromkeys((*trees[0], *trees[1])):
        if trees[0].get(name) != trees[1].get(name):  # null is the value of no field
            first, second = (json.dumps(tree[name]) if name in tree else DASH for tree in trees)
            yield name, first, second


def notices(evidence: Evidence) -> tuple[str, ...]:
    """What a reader must know before any number."""
    found = [*evidence.misfits]
    if any(config.backbone.weights == "random" for config in evidence.configs):
        found.append(UNTRAINED)
    if evidence.plan.study.data == "synthetic":
        found.append(SYNTHETIC)
    records = evidence.finished  # what did not finish is in no number
    for what, values in {
        "revisions of the code": {git for record in records for git in record.revisions},
        "kinds of device": {record.device for record in records},
    }.items():
        if len(values) > 1:
            told = ", ".join(map(short, sorted(values)))
            found.append(f"Trials were run on different {what}: {told}.")
    told = cautions(evidence.plan, evidence.outcomes)
    return (*found, *(f"{one[0].upper()}{one[1:]}." for one in told))


def short(name: str) -> str:
    """As it is, but of a commit as many letters as tell it from others."""
    return COMMIT.sub(lambda commit: commit[0][:SHORT], name)


def facts(evidence: Evidence) -> tuple[tuple[str, str], ...]:
    """Name and value of the main facts of the study, in reading order."""
    plan, records, configs = evidence.plan, evidence.records, evidence.configs
    seeds = sorted({trial.seed for trial in plan.trials})
    return (
        ("Data", f"{plan.data_root} ({plan.study.data})"),
        ("Backbone", _distinct(map(_backbone, configs))),
        ("Weights", _weights(evidence)),
        ("Features", _distinct(map(_features, configs))),
        ("Flow", _parted(map(_flow, configs))),
        ("Training", _parted(map(_training, configs))),
        ("Trials", _counts(evidence)),
        ("Seeds", f"{', '.join(map(str, seeds))} (n = {len(seeds)})"),
        ("Tasks", _tasks(evidence)),
        ("Task 0", f"n = {len({trial.sequence[0] for trial in plan.trials})}"),
        ("Orders", f"n = {len(evidence.orders)}"),
        ("Sharing", _sharing(evidence)),
        ("Code", _distinct(git for record in records for git in sorted(record.revisions))),
        ("Versions", _versions(evidence)),
        ("Versions of results", _distinct(map(_result_versions, records))),
        ("Device", _distinct(f"{r.device}, threads: {r.threads}" for r in records)),
        ("Hosts", _distinct(record.host for record in records)),
        ("Compute", _compute(evidence)),
        ("Wall span", _span(evidence)),
    )


def _backbone(config: Config) -> str:
    weights = config.backbone.weights
    if weights == "random":
        weights = f"random (untrained, seed {config.backbone.random_seed})"
    return f"{config.backbone.name}, weights {weights}"


def _weights(evidence: Evidence) -> str:
    return _distinct(record.weights for record in evidence.records if record.weights)


def _features(config: Config) -> str:
    stages = ", ".join(config.backbone.stages)
    return f"{config.image.size} px, {config.patches.dim} channels, stages {stages}"


def _flow(config: Config) -> tuple[Part, ...]:
    rank: Part = ("LoRA off", None) if config.lora == "off" else ("LoRA rank {}", config.lora.rank)
    return ("coupling blocks {}", config.flow.blocks), rank, ("DIA blocks {}", config.dia.blocks)


def _training(config: Config) -> tuple[Part, ...]:
    t = config.training
    batch: Part = "batch {}", t.batch_size
    return ("epochs {}", t.epochs), batch, (t.optimizer, None), ("learning rate {}", t.lr)


def _parted(settings: Iterable[tuple[Part, ...]]) -> str:
    """All different settings; where they are many, each part with what its values reach over."""
    every = list(settings)
    whole = {", ".join(words.format(_short(value)) for words, value in parts) for parts in every}
    if len(whole) <= MOST_LISTED:
        return _distinct(whole)
    return ", ".join(_over(part) for part in zip(*every, strict=True))


def _over(part: Sequence[Part]) -> str:
    by_words: dict[str, set[float]] = {}
    for words, value in part:
        by_words.setdefault(words, set()).update(() if value is None else {value})
    told: list[str] = []
    for words, values in sorted(by_words.items()):
        ends = [_short(value) for value in (min(values, default=None), max(values, default=None))]
        several = f"{' to '.join(ends)} ({len(values)} values)"
        told.append(words.format(several if len(values) > 1 else ends[0]))
    return " or ".join(told)


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _counts(evidence: Evidence) -> str:
    status = [record.status for record in evidence.records]
    many = status.count("stopped")
    stopped = f"{many} stopped by the search, " if many else ""
    text = (
        f"{len(evidence.plan.trials)} planned: {status.count('finished')} finished, {stopped}"
        f"{status.count('diverged')} diverged, {status.count('failed')} failed, "
        f"{len(evidence.missing)} not run yet"
    )
    if evidence.strays:
        text += f"; {evidence.strays} in the ledger that this plan does not ask for, left out here"
    return text


def _sharing(evidence: Evidence) -> str:
    """Where the trained stages of all trials come from."""
    trained = [
        source
        for record in evidence.records
        for source in record.stages.values()
        if source.kind in ("base", "adapter")
    ]
    if not trained:
        return DASH
    taken = sum(source.source == "shared" for source in trained)
    verified = sum(source.verified for source in trained)
    text = (
        f"{counted(len(trained) - taken, 'task')} trained, {grouped(taken)} taken from other trials"
    )
    if verified:
        text += f" ({verified} of them trained again and found identical)"
    saved = sum(record.saved_seconds for record in evidence.records)
    adopted = sum(bool(record.adopted_from) for record in evidence.records)
    text += f"; {_duration(saved)} of computing saved" if taken else ""
    return text + (
        f"; {counted(adopted, 'trial')} run by other studies of this root" if adopted else ""
    )


def _tasks(evidence: Evidence) -> str:
    study, sequence = evidence.plan.study, evidence.plan.trials[0].sequence
    made = "explicit groups" if study.groups else f"scenario {study.scenario}"
    return f"n = {len(sequence)}, classes in a task: {span(map(len, sequence))} ({made})"


def _versions(evidence: Evidence) -> str:
    names = sorted({name for record in evidence.records for name in record.versions})
    found = [
        f"{name} {_distinct(r.versions[name] for r in evidence.records if name in r.versions)}"
        for name in names
    ]
    return ", ".join(found) or DASH


def _result_versions(record: Record) -> str:
    return ", ".join(f"{kind} {number}" for kind, number in record.result_versions.items())


def _compute(evidence: Evidence) -> str:
    seconds = sum(sum(record.seconds.values()) for record in evidence.records)
    if not evidence.records:
        return DASH
    n = counted(len(evidence.records), "trial")
    return f"{seconds:,.1f} s ({seconds / 3600:,.2f} h) in stages, n = {n}"


def _span(evidence: Evidence) -> str:
    if not evidence.records:
        return DASH
    start = min(record.started for record in evidence.records)
    end = max(record.ended for record in evidence.records)
    whole, work = _duration(end - start), _duration(_at_work(evidence))
    pauses = "" if work == whole else f", trials at work in {work} of them"
    return f"{_utc(start)} to {_utc(end)} UTC ({whole}{pauses})"


def _at_work(evidence: Evidence) -> float:
    """Seconds in which at least one trial was at work: a study may have been interrupted."""
    spans = [
        (span.started, span.ended)
        for r in evidence.records
        for span in r.spans or (Span(started=r.started, ended=r.ended),)
    ]
    total, until = 0.0, float("-inf")
    for started, ended in sorted(spans):
        total += max(0.0, ended - max(started, until))
        until = max(until, ended)
    return total


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _duration(seconds: float) -> str:
    minutes, hours = round(seconds / 60), seconds / 3600
    return (
        f"{hours:,.1f} h" if minutes >= 120 else f"{minutes} min" if minutes else f"{seconds:.0f} s"
    )


def _distinct(values: Iterable[str]) -> str:
    return listed(sorted(set(values)), "; ") or DASH


Seen = tuple[str, ClassSummary | None]
"""Of a class: its fingerprint, and what was there of it."""


def data_table(evidence: Evidence) -> Table:
    """Counts and fingerprint of each class; a line for each of several that records tell of one."""
    seen = _seen(evidence)
    rows: list[tuple[str | Cell, ...]] = []
    data: list[Line] = []
    for name, told in sorted(seen.items()):
        for (fingerprint, s), trials in told.items():
            counts = (s.train, s.test_good, s.test_anomalous, s.masks) if s else (None,) * 4
            shown = [DASH if count is None else grouped(count) for count in counts]
            source = computed(data_table, trials)
            cells = [Cell(text, source=source) for text in (*shown, grouped(len(trials)))]
            rows.append((name, fingerprint[:12], *cells))
            line: dict[str, Value] = {"class": name, "records": len(trials)}
            kinds = ("train", "test_good", "test_anomalous", "masks")
            line |= dict(zip(kinds, counts, strict=True))
            data.append(Line(line | {"fingerprint": fingerprint}, source))
    header = ("Class", "Fingerprint", "Train", "Test good", "Test anomalous", "Masks", "Records")
    whole = computed(data_table, keys(evidence.records))
    apart = [name for name, told in sorted(seen.items()) if len(told) > 1]
    caption = "Images of each class"
    caption += f"; records do not agree on {listed(apart)}" if apart else ""
    return table("data", caption, header, rows, data, whole, 2)


def _seen(evidence: Evidence) -> dict[str, dict[Seen, list[str]]]:
    """Of each class what records tell, and which; of one that none tells of, what was planned."""
    found: dict[str, dict[Seen, list[str]]] = {}
    for record in evidence.records:
        for name in record.fingerprints.keys() | record.data.keys():
            told = record.fingerprints.get(name, ""), record.data.get(name)
            found.setdefault(name, {}).setdefault(told, []).append(record.key)
    for trial in evidence.plan.trials:
        for name, fingerprint in trial.fingerprints.items():
            found.setdefault(name, {(fingerprint, None): []})
    return found


def orders_table(evidence: Evidence) -> Table:
    """What the short names of orders stand for."""
    trials = evidence.plan.trials
    firsts = {order_name(t.sequence): task_name(t.sequence[0]) for t in trials}
    rows = [(name, evidence.tasks[firsts[order]], order) for order, name in evidence.orders.items()]
    data: list[dict[str, Value]] = [
        {"name": name, "task0": firsts[order], "order": order}
        for order, name in evidence.orders.items()
    ]
    caption = "Orders: the tasks in the order in which they are learned, + joins a task’s classes"
    header = ("Order", "Task 0", "Sequence")
    return table("orders", caption, header, rows, data, computed(orders_table), 3)


def config_table(evidence: Evidence) -> Table:
    """Every config field with its value; several where the study's settings differ in it."""
    configs = [config.flat() for config in evidence.configs]
    names = list(dict.fromkeys(name for config in configs for name in config))
    rows: list[tuple[str, str]] = []
    data: list[dict[str, Value]] = []
    for name in names:
        values = [json.dumps(config[name]) for config in configs if name in config]
        different = list(dict.fromkeys(values))
        rows.append((name, listed(different, " | ")))
        data.append({"field": name, "value": " | ".join(different)})
    source = computed(config_table)
    return table("settings", "Settings of the study", ("Field", "Value"), rows, data, source, 2)


def _stopped(record: Record) -> str:
    at = record.stopped
    return f"{at.place}. of {at.among} after {counted(at.tasks, 'task')}" if at else DASH


def failures_table(evidence: Evidence) -> Table:
    """Every trial that diverged or failed, or that a search stopped."""
    rows: list[tuple[str, ...]] = []
    data: list[dict[str, Value]] = []
    for r in evidence.unfinished:
        stage, message, kind = (
            (str(r.failure.stage or ""), r.failure.message, r.failure.kind)
            if r.failure
            else (DASH, _stopped(r), DASH)
        )
        rows.append((r.key, r.status, evidence.orders[r.order], str(r.seed), stage, kind, message))
        line: dict[str, Value] = {"trial": r.key, "status": r.status, "order": r.order}
        line |= {"seed": r.seed, "stage": stage if r.failure else None}
        data.append(line | {"kind": kind if r.failure else None, "message": message})
    header = ("Trial", "Status", "Order", "Seed", "Stage", "Kind", "Message")
    source = computed(failures_table, keys(evidence.unfinished))
    caption = "Trials that diverged, failed or were stopped"
    fields = ("trial", "status", "order", "seed", "stage", "kind", "message")
    return table("failures", caption, header, rows, data, source, len(header), fields)


def missing_table(evidence: Evidence) -> Table:
    """Every trial that is planned and has no record."""
    rows: list[tuple[str, ...]] = []
    data: list[dict[str, Value]] = []
    for trial in evidence.missing:
        order = order_name(trial.sequence)
        first = evidence.tasks[task_name(trial.sequence[0])]
        rows.append((trial.key, first, evidence.orders[order], str(trial.seed)))
        data.append({"trial": trial.key, "order": order, "seed": trial.seed})
    header = ("Trial", "Task 0", "Order", "Seed")
    source = computed(missing_table)
    fields = ("trial", "order", "seed")
    caption = "Planned, not run yet"
    return table("not_run", caption, header, rows, data, source, len(header), fields)
