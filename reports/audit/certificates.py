"""Certificates that derived orders rest on, as they were kept when two trials were compared: what
each says of the two must follow from their records."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reports.audit.claim import Verdict
from reports.audit.recomputed import Finding
from reports.audit.records import Records, Trial, recorded

BY = "certificates"


def audit_certificates(records: Records) -> Iterator[Finding]:
    """Every file: each thing that is not so, or that none is. Of trials without a record nobody can
    tell."""
    planned = {trial.key: trial for trial in records.trials}
    for path in sorted((records.folder / "certificates").glob("*.json")):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            pair = [planned.get(key) or recorded(records.folder, key) for key in said["trials"]]
            known = [one for one in pair if one is not None and one.status == "finished"]
            if len(known) < len(pair):
                yield Finding(f"{path} ", Verdict.UNCHECKABLE, "rests on no record", function=BY)
                continue
            one, other = known
            wrong = list(_of(path, said, one, other))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            yield Finding(f"{path} ", Verdict.IMPOSSIBLE, f"cannot be read ({error})", function=BY)
            continue
        yield from wrong or [Finding(str(path.parent), Verdict.HOLDS, "", function=BY)]


def _of(path: Path, said: Mapping[str, Any], one: Trial, other: Trial) -> Iterator[Finding]:
    for what, told, found in _apart(said, one, other):
        if told != found:
            why = f"the certificate has {told}, and the records give {found}"
            yield Finding(f"{path} {what}", Verdict.IMPOSSIBLE, why, str(told), str(found), BY)


def _apart(
    said: Mapping[str, Any], one: Trial, other: Trial
) -> Iterator[tuple[str, object, object]]:
    """What is told of two trials, and what their records say."""
    both = hashes_of(one, other)
    for name in sorted({*both, *said["hashes"]}):
        yield f"hash of {name}", said["hashes"].get(name), both.get(name)
    yield "holds", said["holds"], all(first == second for first, second in both.values())
    yield "orders", said["orders"], [[list(task) for task in t.sequence] for t in (one, other)]
    for what in ("device", "threads"):
        yield what, [said[what]] * 2, [trial.recorded[what] for trial in (one, other)]
    first, second = _after(one), _after(other)
    moved = sorted(name for name in first if first[name] != second.get(name))
    yield "moved", said["moved"], moved


def hashes_of(one: Trial, other: Trial) -> dict[str, list[str]]:
    """By name, what each has; empty where it has none."""
    hashes = [trial.recorded["hashes"] for trial in (one, other)]
    names = sorted({*hashes[0], *hashes[1]})
    return {name: [of.get(name, "") for of in hashes] for name in names}


def _after(trial: Trial) -> dict[str, list[str]]:
    """Tasks that each task's bank was trained after."""
    found: dict[str, list[str]] = {}
    for name, stage in trial.recorded["stages"].items():
        kind, _, task = name.partition(" ")
        if kind in ("base", "adapter"):
            found[task] = stage["after"]
    return found
