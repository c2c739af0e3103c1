"""The second way to the facts that head a report: what was planned and run, with which settings,
code and machines, from plain records."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from moleflow.wording import counted, grouped
from reports.audit.records import Records, Trial, read_record
from reports.audit.words import Allowed, Rule

DASH: Final = "–"
MOST_LISTED = 6


def facts(trials: Sequence[Trial], records: Records) -> Allowed:
    """Of the whole study, whichever trials are named."""
    ran = [trial for trial in records.trials if trial.status]
    texts = {
        _planned(records),
        *_counts(records.trials),
        f"{records.data_root} ({records.study['data']})",
    }
    texts |= {*_of_settings(records), *_of_code(ran), _tasks(records)}
    if ran:
        texts |= {_shared(ran), _seconds(ran), _span(ran), _memory(ran)}
    return Allowed(frozenset(texts | {DASH}))


def _planned(records: Records) -> str:
    """Trials by what came of them."""
    states = [trial.status for trial in records.trials]
    stopped = states.count("stopped")
    told = f"{len(states)} planned: {states.count('finished')} finished, "
    told += f"{stopped} stopped by the search, " if stopped else ""
    told += f"{states.count('diverged')} diverged, {states.count('failed')} failed, "
    told += f"{states.count('')} not run yet"
    others = {path.stem for path in (records.folder / "trials").glob("*.json")} - records.keys
    strays = sum(bool(read_record(records.folder, key)) for key in others)
    told += f"; {strays} in the ledger that this plan does not ask for, left out here" * bool(
        strays
    )
    return told


def _counts(planned: Sequence[Trial]) -> Iterable[str]:
    seeds = sorted({trial.seed for trial in planned})
    yield f"{', '.join(map(str, seeds))} (n = {len(seeds)})"
    yield f"n = {len({trial.sequence[0] for trial in planned})}"
    yield f"n = {len({trial.order for trial in planned})}"


def _of_settings(records: Records) -> Iterable[str]:
    """Backbone, features, flow and training, of all settings."""
    configs = [trials[0].config for trials in records.settings]
    for of in (_backbone, _features, _flow, _training):
        told = {of(config) for config in configs}
        many = len(told) > MOST_LISTED and of in (_flow, _training)
        yield _spans(told) if many else _each(told)


def _spans(told: Iterable[str]) -> str:
    """Of many settings that are told part by part, from where to where each part's number goes."""
    found: list[str] = []
    for part in zip(*(one.split(", ") for one in told), strict=True):
        by_words: dict[str, set[str]] = {}
        for one in part:
            number = next((word for word in one.split() if word[0].isdigit()), "")
            by_words.setdefault(one.replace(number, "{}", 1) if number else one, set()).add(number)
        each: list[str] = []
        for words, numbers in sorted(by_words.items()):
            ends = sorted(numbers, key=float) if "" not in numbers else [""]
            several = f"{ends[0]} to {ends[-1]} ({len(ends)} values)"
            each.append(words.replace("{}", several if len(ends) > 1 else ends[0]))
        found.append(" or ".join(each))
    return ", ".join(found)


def _backbone(config: Mapping[str, Any]) -> str:
    own = config["backbone"]
    random = f"random (untrained, seed {own['random_seed']})"
    return f"{own['name']}, weights {random if own['weights'] == 'random' else own['weights']}"


def _features(config: Mapping[str, Any]) -> str:
    stages = ", ".join(config["backbone"]["stages"])
    return f"{config['image']['size']} px, {config['patches']['dim']} channels, stages {stages}"


def _flow(config: Mapping[str, Any]) -> str:
    lora = config["lora"]
    rank = "off" if lora == "off" else f"rank {lora['rank']}"
    dia = config["dia"]["blocks"]
    return f"coupling blocks {config['flow']['blocks']}, LoRA {rank}, DIA blocks {dia}"


def _training(config: Mapping[str, Any]) -> str:
    own = config["training"]
    told = f"epochs {own['epochs']}, batch {own['batch_size']}, {own['optimizer']}"
    return f"{told}, learning rate {own['lr']:g}"


def _tasks(records: Records) -> str:
    sizes = sorted(len(task) for task in records.trials[0].sequence)
    each = f"{sizes[0]}" if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]}"
    made = (
        "explicit groups"
        if records.study.get("groups")
        else f"scenario {records.study['scenario']}"
    )
    return f"n = {len(sizes)}, classes in a task: {each} ({made})"


def _of_code(ran: Sequence[Trial]) -> Iterable[str]:
    """Weights, revisions, versions, devices and hosts."""
    known = [trial.recorded for trial in ran]
    yield _each(one["weights"] for one in known if one.get("weights"))
    stages = [stage for trial in ran for stage in _stages(trial)]
    yield _each(one["git"] for one in (*known, *stages) if one.get("git"))
    yield _each(
        ", ".join(f"{kind} {n}" for kind, n in one["result_versions"].items()) for one in known
    )
    yield _each(f"{one['device']}, threads: {one['threads']}" for one in known)
    yield _each(one["host"] for one in known)
    names = sorted({name for one in known for name in one["versions"]})
    of = {n: _each(one["versions"][n] for one in known if n in one["versions"]) for n in names}
    yield ", ".join(f"{name} {version}" for name, version in of.items())


def _stages(trial: Trial) -> list[Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = trial.recorded.get("stages") or {}
    return list(found.values())


def _shared(ran: Sequence[Trial]) -> str:
    """Where trained tasks come from, and what that saved."""
    every = [stage for trial in ran for stage in _stages(trial)]
    trained = [stage for stage in every if stage["kind"] in ("base", "adapter")]
    if not trained:
        return DASH
    taken = [stage for stage in trained if stage["source"] == "shared"]
    told = f"{counted(len(trained) - len(taken), 'task')} trained, "
    told += f"{grouped(len(taken))} taken from other trials"
    again = sum(bool(stage.get("verified")) for stage in trained)
    told += f" ({again} of them trained again and found identical)" if again else ""
    saved = math.fsum(stage["seconds"] for stage in every if stage["source"] == "shared")
    told += f"; {_duration(saved)} of computing saved" if taken else ""
    adopted = sum(bool(trial.recorded.get("adopted_from")) for trial in ran)
    return told + (
        f"; {counted(adopted, 'trial')} run by other studies of this root" if adopted else ""
    )


def _seconds(ran: Sequence[Trial]) -> str:
    seconds = math.fsum(v for trial in ran for v in trial.recorded["seconds"].values())
    return f"{seconds:,.1f} s ({seconds / 3600:,.2f} h) in stages, n = {counted(len(ran), 'trial')}"


def _memory(ran: Sequence[Trial]) -> str:
    most = max(trial.recorded.get("peak_memory") or 0 for trial in ran)
    return f"{most / 2**30:.2f} GiB" if most else DASH


def _span(ran: Sequence[Trial]) -> str:
    """From the first start to the last end, and how long any trial was at work in it."""
    start = min(trial.recorded["started"] for trial in ran)
    end = max(trial.recorded["ended"] for trial in ran)
    whole, work = _duration(end - start), _duration(_at_work(ran))
    first, last = (
        datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M") for at in (start, end)
    )
    pauses = "" if whole == work else f", trials at work in {work} of them"
    return f"{first} to {last} UTC ({whole}{pauses})"


def _at_work(ran: Sequence[Trial]) -> float:
    """By counting who is at work between any two moments at which a trial starts or ends."""
    moments: list[tuple[float, int]] = []
    for trial in ran:
        known = trial.recorded.get("spans") or [trial.recorded]
        moments += [(one["started"], 1) for one in known] + [(one["ended"], -1) for one in known]
    total, working, since = 0.0, 0, 0.0
    for at, change in sorted(moments):
        total += at - since if working > 0 else 0.0
        working, since = working + change, at
    return total


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes >= 120:
        return f"{seconds / 3600:,.1f} h"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"


def _each(values: Iterable[str]) -> str:
    every = sorted(set(values))
    more = f" and {len(every) - MOST_LISTED} more" if len(every) > MOST_LISTED else ""
    return "; ".join(every[:MOST_LISTED]) + more or DASH


RULES: Mapping[str, Rule] = {"reports.provenance.facts": facts}
