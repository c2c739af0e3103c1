"""The second way to what a study cost, from plain records."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from moleflow.wording import counted, grouped
from reports.audit.compute import HOUR, at_work
from reports.audit.records import Records, Trial, finished
from reports.audit.samples import sd
from reports.audit.second_way import Expected, Line, Numbers
from reports.audit.words import Allowed, Rule

MEBIBYTES = 2.0**-18
"""Of one parameter of four bytes."""
MOST_LINES = 6
"""Settings that the figure of memory has room for."""


def _sizes(trial: Trial) -> Mapping[str, int]:
    return cast(Mapping[str, int], trial.recorded.get("parameters") or {})


def _held(trial: Trial, tasks: int) -> int:
    """Trained parameters after so many tasks, summed task by task."""
    base, bank = _sizes(trial)["base"], _sizes(trial)["bank"]
    bases = [base] * tasks if trial.config.get("separate") else [base]
    return sum(bases) + sum([bank] * tasks)


def _known(records: Records, label: str) -> list[Trial]:
    """Trials of a setting that say their parameters."""
    return [t for t in finished(records.labelled[label]) if {"base", "bank"} <= set(_sizes(t))]


def _alike(trial: Trial, known: Iterable[Trial]) -> list[Trial]:
    """Those that say the same."""
    return [other for other in known if _sizes(other) == _sizes(trial)]


def parameters(line: Line) -> Expected:
    """Of trials of a setting that say the same: what a sequence holds after one task, two, and
    all."""
    known = _known(line.records, line.cells["setting"])
    trial = next((trial for trial in known if trial.key in line.named), None)
    if trial is None:
        return Expected({"base": "(no such trial)"})
    alike = _alike(trial, known)
    tasks = max(len(one.sequence) for one in alike)
    base, added = _sizes(trial)["base"], _held(trial, 2) - _held(trial, 1)
    numbers: Numbers = {name: n for name, n in _sizes(trial).items() if name.startswith("bank/")}
    numbers |= {"base": base, "added": added, "added_share": added / base if base else None}
    numbers |= {"tasks": tasks, "total": _held(trial, tasks), "trials": len(alike)}
    return Expected(numbers, frozenset(one.key for one in alike))


def _made(trials: Iterable[Trial], kind: str) -> tuple[dict[str, tuple[float, int, str]], int]:
    """Seconds, pictures and the trial that tells of it, of every computation by its key; and how
    often one was taken from another trial."""
    found: dict[str, tuple[float, int, str]] = {}
    taken = 0
    for trial in trials:
        stages = cast(Mapping[str, Mapping[str, Any]], trial.recorded.get("stages") or {})
        seconds = cast(Mapping[str, float], trial.recorded.get("seconds") or {})
        for name in [*stages, *(one for one in seconds if one not in stages)]:
            if not name.startswith(f"{kind} ") or name == f"{kind} summary":
                continue
            stage = stages.get(name, {"source": "", "trial": trial.key, "key": trial.key + name})
            taken += stage["source"] == "shared"
            if stage["trial"] and stage["key"] not in found:
                took = stage["seconds"] if name in stages else seconds[name]
                found[stage["key"]] = float(took), _pictures(trial, *name.split(" ", 1)), trial.key
    return found, taken


def _pictures(trial: Trial, kind: str, task: str) -> int:
    parts = {"features": ("train", "test_good", "test_anomalous"), "base": ("train",)}
    parts |= {"adapter": ("train",), "evaluation": ("test_good", "test_anomalous")}
    names = [task] if kind == "features" else task.split("+")
    return sum(trial.data[name][part] for name in names for part in parts[kind])


def stages(line: Line) -> Expected:
    """Of a kind of stage and a setting."""
    trials = finished(line.records.labelled[line.cells["setting"]])
    made, taken = _made(trials, line.cells["kind"])
    seconds, pictures = [s for s, _, _ in made.values()], sum(n for _, n, _ in made.values())
    total = math.fsum(seconds)
    numbers: Numbers = {"computed": len(made), "seconds_mean": statistics.mean(seconds)}
    numbers |= {"seconds_sd": sd(seconds)}
    numbers |= {"hours": total / HOUR, "taken": taken, "pictures": pictures}
    numbers |= {"ms_per_picture": total / pictures * 1000 if pictures else None}
    return Expected(
        {**numbers, "kind": line.cells["kind"]}, frozenset(k for _, _, k in made.values())
    )


def hardware(line: Line) -> Expected:
    """Of the trials of one machine."""
    said = [line.cells[name] for name in ("device", "threads", "host")]
    trials = [
        trial
        for trial in line.records.trials
        if trial.status
        and [str(trial.recorded[name]) for name in ("device", "threads", "host")] == said
    ]
    lost = [trial for trial in trials if trial.status != "finished"]
    numbers: Numbers = {"trials": len(trials), "not_finished": len(lost), "threads": int(said[1])}
    numbers |= {"hours": math.fsum(map(at_work, trials)) / HOUR}
    numbers |= {"hours_not_finished": math.fsum(map(at_work, lost)) / HOUR}
    memory = max(int(trial.recorded.get("peak_memory") or 0) for trial in trials)
    numbers |= {"peak_memory_gib": memory / 1024**3 if memory else None}
    numbers |= {"device": said[0], "host": said[2]}
    return Expected(numbers, frozenset(trial.key for trial in trials))


def sentence(trials: Sequence[Trial], records: Records) -> Allowed:
    """Parameters, seconds of a task, hours of all."""
    found = [trial for label in records.labelled for trial in _known(records, label)]
    spans = [
        sorted(_held(trial, 2) - _held(trial, 1) for trial in found),
        sorted(_sizes(trial)["base"] for trial in found),
    ]
    settings = [label for label in records.once(records.labelled) if _known(records, label)]
    many = {counted(len(settings), "setting")}
    texts = many | {grouped(low) if low == high else f"{grouped(low)} to {grouped(high)}"
             for low, *_, high in ([one[0], *one] for one in spans if one)}  # fmt: skip
    for kind in ("base", "adapter"):
        seconds = [s for s, _, _ in _made(finished(records.trials), kind)[0].values()]
        if seconds:
            sd = f"{statistics.stdev(seconds):,.1f}" if len(seconds) > 1 else "–"
            texts |= {f"{statistics.mean(seconds):,.1f} ± {sd} s", f"n = {len(seconds)} trained"}
    ran = [trial for trial in records.trials if trial.status]
    lost = [trial for trial in ran if trial.status != "finished"]
    hours, lost_hours = (math.fsum(map(at_work, of)) / HOUR for of in (ran, lost))
    texts |= {
        f"{hours:,.2f} hours",
        f"{lost_hours:,.2f}",
        f"{len(lost)} of {counted(len(ran), 'trial')}",
    }
    return Allowed(frozenset(texts))


def memory(trials: Sequence[Trial], records: Records) -> Allowed:
    """After all tasks of the setting of these trials, with banks and with a base for each task; and
    how many different sizes are drawn, of how many settings."""
    own = [trial for trial in trials if {"base", "bank"} <= set(_sizes(trial))]
    if not own:
        return Allowed()
    tasks = max(len(trial.sequence) for trial in own)
    each = [(_held(trial, tasks), tasks * _sizes(trial)["base"]) for trial in own]
    texts = {f"{n * MEBIBYTES:.2f} MiB" for sizes in each for n in sizes} | {counted(tasks, "task")}
    said = [_said(records, label) for label in records.once(records.labelled)]
    different = {size for of in said for size in of}
    many, every = min(MOST_LINES, len(different)), sum(map(len, said))
    drawn, of = counted(many, "setting"), counted(every, "setting")
    return Allowed(frozenset(texts | {drawn if drawn == of else f"{drawn} of {every}"}))


def _said(records: Records, label: str) -> list[tuple[int, int, int]]:
    """Different sizes that trials of a setting say: of a base, of two tasks, and the most tasks."""
    known = _known(records, label)
    alike = {str(sorted(_sizes(trial).items())): _alike(trial, known) for trial in known}
    return [
        (_sizes(of[0])["base"], _held(of[0], 2), max(len(one.sequence) for one in of))
        for of in alike.values()
    ]


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.costs.parameters_table": parameters,
    "reports.costs.stages_table": stages,
    "reports.costs.hardware_table": hardware,
}
RULES: Mapping[str, Rule] = {
    "reports.costs.sentences": sentence,
    "reports.costs.memory_figure": memory,
}
