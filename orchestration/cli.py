"""The command line: each command is in `commands/`, and imported when it is asked for.

The environment is read in these files and set here and in `driver/drive.py`, and nowhere else, but
for the variables by which Ray is told where its token is (`cluster/joining.py`).
"""

import errno
import os
import sys
from importlib.metadata import version

from cyclopts import App, CycloptsError

from moleflow.errors import ClusterError, MoleflowError, StudyError
from orchestration.commands.consoles import Terminal, err, to_output

REFUSED, INTERRUPTED = 2, 130

COMMANDS = {
    "run": (
        "orchestration.commands.run:run",
        "Run a study: plan it, run every trial that has no record yet, track and report it.",
    ),
    "plan": (
        "orchestration.commands.plan:plan",
        "Say what a study would run, what of it is there already, and what the rest will take.",
    ),
    "status": (
        "orchestration.commands.studies:status",
        "Show what of a study is done, from the ledger alone.",
    ),
    "report": (
        "orchestration.commands.report:report",
        "Write a study's reports anew, from the ledger alone; without one, "
        "the page of all studies.",
    ),
    "stop": (
        "orchestration.commands.control:stop",
        "Stop a study that runs, here or on another machine, as Ctrl-C would; it can be resumed.",
    ),
    "logs": (
        "orchestration.commands.control:logs",
        "Show what a trial did, and what its processes printed.",
    ),
    "sync": (
        "orchestration.commands.tracking:sync",
        "Bring the tracking store up to date with a study's ledger and report.",
    ),
    "register": (
        "orchestration.commands.register:register",
        "Register a finished trial's model in MLflow, with its weights, to be loaded and served.",
    ),
    "ui": (
        "orchestration.commands.tracking:ui",
        "Open MLflow's own view of the tracked runs, until Ctrl-C.",
    ),
    "doctor": (
        "orchestration.commands.doctor:doctor",
        "Say whether this machine, and a cluster, can run a study, and what to do where not.",
    ),
    "studies": (
        "orchestration.commands.studies:studies",
        "List the studies that come with the package.",
    ),
    "train": (
        "orchestration.commands.model:train",
        "Train one sequence of classes, in the order named, and save the model.",
    ),
    "predict": (
        "orchestration.commands.model:predict",
        "Score pictures: a line each with score, chosen task and distances.",
    ),
    "evaluate": (
        "orchestration.commands.model:evaluate",
        "Metrics of a model on labelled pictures, per class, routed and under the true task.",
    ),
    "learn": (
        "orchestration.commands.model:learn",
        "Teach a trained model one more task; what it knows already keeps its bytes.",
    ),
    "analyse": (
        "orchestration.commands.analysis:analyse",
        "Analyse finished trials: spectrum, similarity, shift, dia_effect, routing, cost, area.",
    ),
    "audit": (
        "orchestration.commands.audit:audit",
        "Recompute statistical claims from what is printed, and say which cannot be true.",
    ),
    "data": ("orchestration.commands.data:app", "Look into data sets."),
    "store": (
        "orchestration.commands.store:app",
        "Look into stored results, check them, and delete some.",
    ),
}
"""Where each command is, and what the list of commands says of it: its docstring's first sentence,
repeated here so that the list needs none of those files."""


def application(asked: str = "") -> App:
    """All commands.

    Args:
        asked: the command whose own docstring, longer than its line in the list, is its help.
    """
    app = App(
        name="moleflow",
        help="Continual anomaly detection experiments: run, track and report task sequences.",
        version=lambda: version("moleflow"),
    )
    for name, (place, summary) in COMMANDS.items():
        app.command(place, name=name, help=None if name == asked else summary)
    return app


def main() -> None:
    """Run a command line; the exit codes are in the README."""
    words = sys.argv[1:]
    try:
        code = _done(words)
        with to_output() as stream:
            stream.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        from orchestration.commands.last_net import caught

        code = caught(error, words)
    sys.exit(code)


def _done(words: list[str]) -> int:
    """An error of the tree in `moleflow.errors` is one message, about a request."""
    app = application(next((word for word in words if not word.startswith("-")), ""))
    # Nothing that we start imports modules from the folder that it is started in.
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        _refuse_empty(words)
        return app(
            words,
            console=Terminal(),
            error_console=Terminal(stderr=True),
            result_action="return_value",
            exit_on_error=False,
            print_error=True,
        )
    except CycloptsError:
        return REFUSED
    except MoleflowError as error:
        _say(str(error))
        return error.code if isinstance(error, ClusterError) else REFUSED
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        _say(f"{error.filename}: {error.strerror}; give a shorter one")
        return REFUSED


def _say(message: str) -> None:
    from rich.markup import escape

    from orchestration.hiding import safe_text

    err.print(f"[bold red]error:[/] {escape(safe_text(message))}")


def _refuse_empty(words: list[str]) -> None:
    """An empty path would be the folder that we are in, and an empty name all that there is.

    Raises:
        StudyError: a word, or what stands behind the = of an option, is empty.
    """
    for before, word in zip(["the command", *words], words, strict=False):
        if not word or (word.startswith("--") and word.endswith("=")):
            raise StudyError(
                f"nothing stands behind {word.removesuffix('=') or before}: is a variable of the "
                "shell not set? Give a value, or leave it out"
            )
