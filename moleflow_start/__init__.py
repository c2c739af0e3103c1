"""Where the command `moleflow` begins: our packages must be ours, whatever else is importable.

`reports` and `orchestration` are names that others use too. A module of such a name on PYTHONPATH
would be imported instead of ours, some only after all trials have run. Imports none of them.
"""

import io
import os
import sys
import threading
import warnings
from pathlib import Path
from typing import TextIO

from moleflow_start.packages import hiding

REFUSED, INTERRUPTED = 2, 130
QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
"""Warnings that Python shows nobody unless it is told to."""
SUPERVISED = ("run",)
"""Commands that speak with Ray for long."""


def main() -> None:
    """Entry point."""
    open_streams()
    warnings_are_no_errors()
    refuse_other_names()
    refuse_left_out_docstrings()
    refuse_hidden_packages()
    if sys.platform == "linux" and sys.argv[1:2] and sys.argv[1] in SUPERVISED:
        from moleflow_start.supervisor import supervised

        supervised(_begin)
    else:
        _begin()


def _begin() -> None:
    threading.excepthook = _thread_died
    try:
        from orchestration.cli import main as run
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run()


def open_streams() -> None:
    """All three are open, so that no file of ours takes the number of a closed one; and a name that
    the terminal's encoding lacks is written escaped."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def warnings_are_no_errors() -> None:
    """For this command and all that it starts: with `PYTHONWARNINGS=error`, which a person sets to
    find faults of their own code, a deprecation between two libraries would end a study."""
    if "error" in os.environ.get("PYTHONWARNINGS", ""):
        del os.environ["PYTHONWARNINGS"]
        warnings.resetwarnings()
        for category in QUIET:
            warnings.simplefilter("ignore", category)


def refuse_other_names() -> None:
    """End with one message where names of files are not read as UTF-8, as every other process of a
    study reads them: one with an é would be another name, or none that can be written down."""
    encoding = sys.getfilesystemencoding()
    if encoding.lower().replace("-", "") != "utf8":
        print(  # noqa: T201
            f"error: this Python reads names of files as {encoding}, not as UTF-8; "
            "set PYTHONUTF8=1 in the environment",
            file=sys.stderr,
        )
        sys.exit(REFUSED)


def refuse_left_out_docstrings() -> None:
    """End with one message where Ray could not be imported: it writes on docstrings of its own."""
    if sys.flags.optimize > 1:
        print(  # noqa: T201
            "error: this Python leaves docstrings out, and Ray cannot do without them; unset "
            "PYTHONOPTIMIZE, or start it without -OO",
            file=sys.stderr,
        )
        sys.exit(REFUSED)


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _thread_died(died: threading.ExceptHookArgs) -> None:
    from orchestration.commands.last_net import caught

    if died.exc_value is not None:
        caught(died.exc_value, sys.argv[1:])


def refuse_hidden_packages() -> None:
    """End with one message where a package of ours would not be the one that is imported."""
    for name, culprit, ours in hiding(sys.path):
        print(  # noqa: T201
            f"error: {culprit} hides moleflow's own package {name} ({ours}): rename it, or take "
            f"{Path(culprit).parent} off PYTHONPATH",
            file=sys.stderr,
        )
        sys.exit(REFUSED)
