"""What of a study's report is kept with its run."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from orchestration.records.layout import StudyFolder


def report_files(folder: StudyFolder) -> list[tuple[Path, str | None]]:
    """Files of the report, the table of results and code that was not committed, those that are
    there, and the folder that each has among the run's artifacts."""
    report = [path for path in sorted(folder.report.rglob("*")) if path.is_file()]
    files: list[tuple[Path, str | None]] = [
        (path, path.parent.relative_to(folder.path).as_posix()) for path in report
    ]
    files += [(path, "code") for path in sorted(folder.code.glob("*.diff"))]
    return files + [(one, None) for one in (folder.answer, folder.results) if one.is_file()]


def answer(folder: StudyFolder) -> str:
    """What the study's reports say at their heads; empty where they have not said so."""
    return folder.answer.read_text(encoding="utf-8").strip() if folder.answer.is_file() else ""


def content_of(files: Sequence[tuple[Path, str | None]]) -> str:
    """A digest of names and bytes."""
    content = hashlib.sha256()
    for path, place in files:
        content.update(f"{place}/{path.name}\n".encode() + path.read_bytes())
    return content.hexdigest()[:20]
