"""Pictures that trials keep, whole by the checksums inside of them: a CRC-32 of every chunk of a
PNG and of every file of a ZIP. The ledger has none of its own for them. And scores of pictures,
which must give what the record beside them says."""

import statistics
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from moleflow.errors import StoreError
from moleflow.sealed import unsealed
from reports.audit.claim import Verdict
from reports.audit.kept_scores import (
    CHECKED,
    SAME,
    SCORE,
    Scores,
    auroc,
    every_file,
    rows_of,
)
from reports.audit.recomputed import Finding
from reports.audit.records import Records, Trial, finished

SIGNATURE = b"\x89PNG\r\n\x1a\n"
DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)
"""What the standard library says of one, by where it is damaged."""
BY = "what trials keep"
ORDERS = "all_orders.json"


def audit_files(records: Records) -> Iterator[Finding]:
    """Every PNG and ZIP beside the record of a finished trial, and what it keeps of orders."""
    trials = records.folder / "trials"
    for trial in finished(records.trials):
        for path in sorted(records.artifacts(trial.key).glob("*")):
            wrong = unbroken if path.name == ORDERS else CHECKS.get(path.suffix)
            if wrong is None:
                continue
            why = wrong(path)
            verdict = Verdict.IMPOSSIBLE if why else Verdict.HOLDS
            place = f"{path} " if why else str(trials)
            yield Finding(place, verdict, f"is damaged: {why}" if why else "", function=BY)


def png(path: Path) -> str:
    """What is wrong with it; empty: nothing."""
    content = path.read_bytes()
    if not content.startswith(SIGNATURE):
        return "it does not begin as a PNG does"
    at, kind = len(SIGNATURE), b""
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        body, end = content[at + 4 : at + 8 + size], content[at + 8 + size : at + 12 + size]
        kind = body[:4]
        if len(end) < 4 or zlib.crc32(body) != int.from_bytes(end, "big"):
            return f"a chunk at byte {at} does not match its checksum"
        at += 12 + size
    return "" if kind == b"IEND" else "it was cut off"


def zipped(path: Path) -> str:
    """The same, of every file in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except (OSError, *DAMAGED_ZIP) as error:
        return str(error)
    return f"{bad} in it does not match its checksum" if bad else ""


def unbroken(path: Path) -> str:
    """The same, of a file with its checksum inside."""
    try:
        unsealed(path.read_bytes())
    except (OSError, ValueError, StoreError) as error:
        return str(error)
    return ""


CHECKS = {".png": png, ".zip": zipped}


def audit_scores(records: Records) -> Iterator[Finding]:
    """Of every finished trial's own `scores.csv`, what its record does not say, and whether it
    cannot be read, though reports take the scores of one that trained the same."""
    files = every_file(records)
    for trial in finished(records.trials):
        own, path = files[trial.key], records.artifacts(trial.key) / "scores.csv"
        if own is None:
            why = "cannot be read as scores of all classes of its trial"
            damaged = Finding(f"{path} ", Verdict.IMPOSSIBLE, why, function=BY)
            yield from [damaged] if _is_damaged(records, trial) else []
            continue
        wrong = [
            Finding(
                f"{path} {what}",
                Verdict.IMPOSSIBLE,
                f"the record has {said}, and these scores give {given}",
                str(said),
                str(given),
                BY,
            )
            for what, said, given in (*_values(trial, own), *_choices(trial, own))
            if not _same(said, given)
        ]
        yield from wrong or [Finding(str(path.parents[2]), Verdict.HOLDS, "", function=BY)]


def _is_damaged(records: Records, trial: Trial) -> bool:
    """Of scores that cannot be read. There may be none: no file, or one of the router's choices
    alone; pages tell where scores are missing."""
    try:
        rows = rows_of(records, trial)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return not rows or SCORE in rows[0]


def _same(said: object, given: object) -> bool:
    if isinstance(said, float) and isinstance(given, float):
        return abs(said - given) <= SAME
    return said == given


def _values(trial: Trial, own: Mapping[str, Scores]) -> Iterator[tuple[str, object, object]]:
    """Metrics of each class after the last task, recorded and of the scores. Files of earlier
    versions tell none of pixels."""
    for name, of in own.items():
        means = {metric: statistics.fmean(parts) for metric, parts in of.parts.items()}
        for metric, given in {CHECKED: auroc(of), **means}.items():
            said = trial.value(metric, "step", "routed", name, len(trial.sequence))
            yield f"{metric} of {name}", said, given


def _choices(trial: Trial, own: Mapping[str, Scores]) -> Iterator[tuple[str, object, object]]:
    """Pictures of each class by the task that they went to."""
    tasks, counts = trial.routing.get("tasks", ()), trial.routing.get("counts", ())
    for name, row in zip(trial.routing.get("classes", ()), counts, strict=True):
        said = {task: count for task, count in zip(tasks, row, strict=True) if count}
        yield f"routed_to of {name}", said, dict(own[name].sent)
