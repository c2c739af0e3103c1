"""Records compared with themselves and with what lies beside them: their settings with the plan,
means with the entries of R that they are of, entries with the trial's own file of them."""

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from moleflow.errors import StoreError
from reports.audit.claim import Verdict
from reports.audit.recomputed import Finding
from reports.audit.records import Place, Records, Trial, finished
from reports.audit.samples import mean

CLOSE = 1e-9
BY = "the ledger"
Entries = Mapping[tuple[int, str], float]
"""Of one metric and routing, by step and class."""


def audit_ledger(records: Records) -> Iterator[Finding]:
    """Every record of a finished trial: each number that is wrong, or that none is."""
    for trial in finished(records.trials):
        place = records.folder / "trials" / f"{trial.key}.json"
        wrong = [
            Finding(
                f"{place} {what}",
                Verdict.IMPOSSIBLE,
                f"the record has {said}, and {found} follows from the rest",
                str(said),
                str(found),
                BY,
            )
            for of in (_settings(trial), _means(trial), _kept(records, trial))
            for what, said, found in of
            if not _same(said, found)
        ]
        yield from wrong or [Finding(str(place.parent), Verdict.HOLDS, "", function=BY)]


def _same(said: object, found: object) -> bool:
    if isinstance(said, float) and isinstance(found, float):
        return abs(said - found) <= CLOSE
    return said == found


def _settings(trial: Trial) -> Iterator[tuple[str, object, object]]:
    """What was run and what was planned, of fields that both know."""
    recorded = cast(Mapping[str, Any], trial.recorded.get("config") or {})
    planned, ran = dict(_leaves(trial.config)), dict(_leaves(recorded))
    for name in planned.keys() & ran.keys():
        yield name, ran[name], planned[name]
    yield "seed", trial.recorded.get("seed", trial.seed), trial.seed
    sequence = trial.recorded.get("sequence") or trial.sequence
    yield "sequence", [list(task) for task in sequence], [list(task) for task in trial.sequence]


def _leaves(tree: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, object]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(cast(Mapping[str, Any], value), f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _means(trial: Trial) -> Iterator[tuple[str, object, object]]:
    """Summaries of each metric and routing, from its entries."""
    tables: dict[tuple[str, str], dict[tuple[int, str], float]] = {}
    for place, value in trial.numbers.items():
        if place.definition == "step":
            entries = tables.setdefault((place.metric, place.routing), {})
            entries[place.step, place.class_name] = value
    own = {name: i for i, task in enumerate(trial.sequence, start=1) for name in task}
    for place, value in trial.numbers.items():
        entries = tables.get((place.metric, place.routing), {})
        made = SUMMARIES.get(place.definition)
        told = made(entries, own, place.step) if made and entries else None
        if told is not None:
            yield place.told, value, told


def _ends(of: Entries, own: Mapping[str, int], last: int) -> list[tuple[str, int, list[float]]]:
    """Classes at the last step that were learned before it, with their entries since."""
    names = [name for step, name in of if step == last and own[name] < max(own.values())]
    return [(c, own[c], [of[i, c] for i in range(own[c], last + 1) if (i, c) in of]) for c in names]


SUMMARIES: Mapping[str, Callable[[Entries, Mapping[str, int], int], float | None]] = {
    "step_mean": lambda of, own, step: mean([v for (i, _), v in of.items() if i == step]),
    "final_mean": lambda of, own, step: mean([v for (i, _), v in of.items() if i == step]),
    "on_task_mean": lambda of, own, step: mean([v for (i, c), v in of.items() if i == own[c]]),
    "backward_transfer/last_minus_own": lambda of, own, step: mean(
        [row[-1] - row[0] for _, _, row in _ends(of, own, step)]
    ),
    "backward_transfer/mean_over_pairs": lambda of, own, step: mean(
        [one - row[0] for _, _, row in _ends(of, own, step) for one in row[1:]]
    ),
    "forgetting/max_minus_last": lambda of, own, step: mean(
        [max(row) - row[-1] for _, _, row in _ends(of, own, step)]
    ),
    "forgetting/first_minus_last": lambda of, own, step: mean(
        [row[0] - row[-1] for _, _, row in _ends(of, own, step)]
    ),
}


def _kept(records: Records, trial: Trial) -> Iterator[tuple[str, object, object]]:
    """Entries of R, and those of the file that the trial keeps of them."""
    path = records.artifacts(trial.key) / "r_matrices.csv"
    for place, value in _entries(path):
        said = trial.numbers.get(place)
        if said is not None:
            yield f"{place.told} (artifacts/{path.name})", said, value


def _entries(path: Path) -> Iterator[tuple[Place, float]]:
    """None where there is no such file.

    Raises:
        StoreError: it is damaged.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                metric, routing, step = (row.pop(n) for n in ("metric", "routing", "tasks_seen"))
                for name, text in row.items():
                    if text:
                        yield Place(int(step), name, metric, "step", routing), float(text)
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise StoreError(f"{path}: cannot be read ({error!r})") from error
