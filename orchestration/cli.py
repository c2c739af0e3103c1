"""The command line: each command is in `commands/`, and they are put together here.

The environment is read and set in these files and nowhere below.
"""

import sys
from importlib.metadata import version
from pathlib import Path

from cyclopts import App, CycloptsError
from rich.markup import escape

from moleflow.errors import MoleflowError
from orchestration.commands.analysis import analyse
from orchestration.commands.consoles import err, out
from orchestration.commands.control import logs, stop
from orchestration.commands.data import app as data_app
from orchestration.commands.doctor import doctor
from orchestration.commands.model import evaluate, learn, predict, train
from orchestration.commands.options import RootOption
from orchestration.commands.report import report
from orchestration.commands.run import FINISHED, run
from orchestration.commands.store import app as store_app
from orchestration.commands.tracking import sync, ui
from orchestration.layout import Root
from orchestration.plan import known_studies, load_study, read_plan
from orchestration.views.status import status_table

REFUSED, INTERRUPTED = 2, 130


def status(study: str, *, root: RootOption = Path("runs")) -> int:
    """Show what of a study is done, from the ledger alone."""
    place = Root.at(root)
    out.print(status_table(read_plan(study, place), place))
    return FINISHED


def studies() -> int:
    """List the studies that come with the package."""
    for name in known_studies():
        _, study = load_study(name)
        out.print(f"{name:<14} {escape(study.question)}")
    return FINISHED


app = App(
    name="moleflow",
    help="Continual anomaly detection experiments: run, track and report task sequences.",
    version=version("moleflow"),
)
for command in (run, status, report, stop, logs, sync, ui, doctor, studies):
    app.command(command)
for command in (train, predict, evaluate, learn, analyse):
    app.command(command)
app.command(data_app)
app.command(store_app)


def main() -> None:
    """Entry point: an error of the tree in `moleflow.errors` is one message and exit code 2."""
    try:
        code = app(
            sys.argv[1:], result_action="return_value", exit_on_error=False, print_error=True
        )
    except CycloptsError:
        code = REFUSED
    except MoleflowError as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}")
        code = REFUSED
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)
