"""Which code runs."""

import subprocess
from pathlib import Path


def git_revision() -> str:
    """Revision of the code that runs, with `+changes` where its tree is not clean; `unknown`
    outside a checkout."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        # Not the program that the settings of a folder above us may name.
        command = ["git", "-C", str(here), "-c", "core.fsmonitor=false", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        revision = git("rev-parse", "HEAD")
        changes = git("status", "--porcelain", "--untracked-files=no", "--", "../..")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return revision + ("+changes" if changes else "")
