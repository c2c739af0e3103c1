"""The second way to what an analysis says of costs: parameters and seconds of the record, and sums
of bytes."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from reports.audit.analyses.analysed import Analysed, Says, Should, Table, column_of, numbers

MEBIBYTE = 2**20
FLOAT = 4
"""Bytes of a trained number."""
PARTS = ("base [bytes]", "banks [bytes]", "router [bytes]")
COMPONENTS = ("adapter", "lora", "task_bias", "gate", "dia")


def cost(of: Analysed) -> Iterator[Should]:
    """All but the bytes of parts and the milliseconds, which were measured."""
    yield from _parameters(of)
    yield from _memory(of)
    yield from _seconds(of)
    yield from column_of("cost_ms_per_picture", "part", ("density", "map", "routing"))
    for i, line in enumerate(of.tables["cost_ms_per_picture"]):
        columns = ("smallest [ms]", "median [ms]", "largest [ms]")
        in_order = sorted(float(line[name]) for name in columns)
        for name, value in zip(columns, in_order, strict=True):
            yield Should("cost_ms_per_picture", i, name, value)


def _parameters(of: Analysed) -> Iterator[Should]:
    """Of banks one by one, of bases in sum."""
    table: Table = of.tables["cost"]
    recorded: Mapping[str, int] = of.trial.recorded.get("parameters") or {}
    banks = [(f"bank of {task}", part) for task in of.tasks for part in COMPONENTS]
    first = max(0, len(table) - len(banks))
    for i, (owner, part) in enumerate(banks, start=first):
        yield Should("cost", i, "owner", owner)
        yield Should("cost", i, "component", part)
        if recorded:
            yield Should("cost", i, "parameters", recorded[f"bank/{part}"])
    for i, line in enumerate(table):
        yield Should("cost", i, "bytes", FLOAT * float(line["parameters"]))
    for owner in dict.fromkeys(line["owner"] for line in table[:first]):
        own = [i for i, line in enumerate(table) if line["owner"] == owner]
        others = sum(float(table[i]["parameters"]) for i in own[1:])
        if recorded:
            yield Should("cost", own[0], "parameters", recorded["base"] - others)


def _memory(of: Analysed) -> Iterator[Should]:
    table = of.tables["cost_memory"]
    yield from column_of("cost_memory", "tasks", range(1, len(of.tasks) + 1))
    for i, line in enumerate(table):
        one = float(table[0]["base [bytes]"])
        yield Should("cost_memory", i, PARTS[0], one * (i + 1 if of.config["separate"] else 1))
        yield Should("cost_memory", i, "total [bytes]", sum(float(line[name]) for name in PARTS))
        yield Should("cost_memory", i, "separate_flows [bytes]", one * (i + 1))


def _seconds(of: Analysed) -> Iterator[Should]:
    """As the record has them of whichever trial computed a stage."""
    stages: Mapping[str, Any] = of.trial.recorded.get("stages") or {}
    own: Mapping[str, float] = of.trial.recorded.get("seconds") or {}
    computed = {name: float(one["seconds"]) for name, one in stages.items() if one["trial"]}
    known: dict[str, float] = {**own, **computed}
    yield from column_of("cost_seconds", "task", of.tasks)
    for i, task in enumerate(of.tasks):
        features = [known.get(f"features {name}", math.nan) for name in task.split("+")]
        for column, seconds in (
            ("features [s]", math.fsum(features)),
            ("training [s]", known.get(f"{'adapter' if i else 'base'} {task}", math.nan)),
            ("evaluation [s]", known.get(f"evaluation {task}", math.nan)),
        ):
            yield Should("cost_seconds", i, column, None if math.isnan(seconds) else seconds)


def cost_says(of: Analysed) -> Says:
    whole, separate = (
        numbers(of.tables["cost_memory"], name)[-1] / MEBIBYTE
        for name in ("total [bytes]", "separate_flows [bytes]")
    )
    told = "{} tasks take {} MiB with the router; a flow for each would take {} MiB."
    return Says(told, [len(of.tasks), whole, separate])


def peak(of: Analysed) -> Says:
    """A note of the page."""
    memory = of.trial.recorded.get("peak_memory") or 0
    if not memory:
        return Says("The largest resident memory of the trial was not recorded: missing.")
    told = "Largest resident memory of the trial's process: {} MiB (recorded)."
    return Says(told, [memory / MEBIBYTE])
