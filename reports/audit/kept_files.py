"""Pictures that trials keep, whole by the checksums inside of them: a CRC-32 of every chunk of a
PNG and of every file of a ZIP. The ledger has none of its own for them."""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from reports.audit.claim import Verdict
from reports.audit.recomputed import Finding
from reports.audit.records import Records, finished

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BY = "what trials keep"


def audit_files(records: Records) -> Iterator[Finding]:
    """Every PNG and ZIP beside the record of a finished trial."""
    trials = records.folder / "trials"
    for trial in finished(records.trials):
        for path in sorted((trials / trial.key / "artifacts").glob("*")):
            wrong = {".png": png, ".zip": zipped}.get(path.suffix)
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
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        return str(error)
    return f"{bad} in it does not match its checksum" if bad else ""
