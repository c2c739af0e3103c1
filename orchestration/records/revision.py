"""Which code runs, also where it was never committed."""

import hashlib
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

from orchestration.hiding import safe_code
from orchestration.records.files import write_atomically
from orchestration.records.layout import StudyFolder

TOP = Path(__file__).resolve().parents[2]
"""Of our own code; a checkout, or where it is installed."""
PACKAGES = ("moleflow", "moleflow_start", "orchestration", "reports", "search_spaces")
WRITING = ("moleflow", "orchestration", "reports")
"""What a report is written by."""
AUDIT = "reports/audit"
"""Reads reports, and writes none."""
CODE = {".py", ".j2", ".css", ".js", ".csv"}
DIGITS = 8
MOST = 1_000_000
"""Letters of changes that are kept of one kind."""
LONGEST = 30.0
"""Seconds for one question to git."""


def git_revision() -> str:
    """Revision of the code that runs, with `+changes-` and a digest of these where its tree is not
    clean; `unknown` outside a checkout."""
    try:
        revision, changes = _git(TOP, "rev-parse", "HEAD").strip(), _own_changes()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return f"{revision}+changes-{_digest(changes)}" if changes else revision


@cache
def this_moleflow() -> str:
    """What writes reports here: the version, and a digest of the code, which is the same wherever
    these files lie, installed or in a checkout, and whatever commit has them. The audit's own is
    left out, so that a page stays of this version when only the way to check it has changed."""
    files = {
        path.relative_to(TOP).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for name in WRITING
        for path in (TOP / name).rglob("*")
        if path.suffix in CODE and not path.is_relative_to(TOP / AUDIT)
    }
    whole = "".join(f"{digest} {name}\n" for name, digest in sorted(files.items()))
    return f"moleflow {version('moleflow')} (code {_digest(whole)})"


def keep_changes(folder: StudyFolder, source: str) -> None:
    """Keep what code a study runs with that no commit has: ours as `code/<digest>.diff`, by the
    digest that the revision names, and that of its file and of the repository around it, as
    `code/study-<digest>.diff`. Cut where it is very long, and without what looks like a secret.

    Args:
        source: the study's file; empty for one that comes with the package.

    Raises:
        StoreError: the study's folder cannot be written.
    """
    for name, find in (("", _own_changes), ("study-", lambda: _changes_around(Path(source)))):
        try:
            changes = find() if source or not name else ""
        except (OSError, subprocess.SubprocessError):  # no git, or a checkout of someone else
            continue
        if changes:
            write_atomically(folder.code / f"{name}{_digest(changes)}.diff", _shown(changes))


def _own_changes() -> str:
    """Empty where all is committed."""
    if not (TOP / ".git").exists():
        return ""
    new = _git(TOP, "ls-files", "--others", "--exclude-standard", "-z", "--", *PACKAGES)
    files = [name for name in sorted(new.split("\0")) if name.endswith(".py")]
    return _changes(TOP, PACKAGES) + "".join(_whole(TOP / name, TOP) for name in files)


def _changes_around(source: Path) -> str:
    """Of the study's file: the changes of its repository, ours apart; of a file that none has, all
    of it."""
    if not source.is_file():
        return ""
    try:
        top = Path(_git(source.parent, "rev-parse", "--show-toplevel").strip())
    except subprocess.SubprocessError:
        return _whole(source, source.parent)
    tracked = _git(top, "ls-files", "--", str(source))
    changes = "" if top == TOP else _changes(top, (".",))
    return changes + ("" if tracked else _whole(source, top))


def _changes(top: Path, places: tuple[str, ...]) -> str:
    plain = ("--no-color", "--no-ext-diff", "--no-textconv")
    return _git(top, "diff", "HEAD", *plain, "--", *places)


def _whole(file: Path, top: Path) -> str:
    """A file that no commit has, as a diff has it."""
    name, text = file.relative_to(top), file.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    head = f"diff --git a/{name} b/{name}\nnew file\n--- /dev/null\n+++ b/{name}\n"
    return f"{head}@@ -0,0 +1,{len(lines)} @@\n" + "".join(f"+{line}\n" for line in lines)


def _shown(changes: str) -> str:
    cut = changes if len(changes) <= MOST else f"{changes[:MOST]}\n(cut: {len(changes)} letters)\n"
    return safe_code(cut)


def _digest(changes: str) -> str:
    return hashlib.sha256(changes.encode(errors="replace")).hexdigest()[:DIGITS]


def _git(place: Path, *arguments: str) -> str:
    # Not the program that the settings of a folder above us may name.
    command = ["git", "-C", str(place), "-c", "core.fsmonitor=false", *arguments]
    found = subprocess.run(command, capture_output=True, check=True, timeout=LONGEST)
    return found.stdout.decode(errors="replace")
