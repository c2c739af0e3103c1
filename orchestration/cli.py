"""The command line: studies here; models, analyses and data in `*_commands.py`.

The environment is read and set in these files and nowhere below.
"""

import os
import shlex
import sys
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from rich.markup import escape

from moleflow.errors import MoleflowError, StudyError
from moleflow.profiles import PROFILES
from moleflow.settings import parse
from orchestration.analysis_commands import analyse
from orchestration.consoles import err, out
from orchestration.data_commands import app as data_app
from orchestration.layout import Root
from orchestration.model_commands import evaluate, learn, predict, train
from orchestration.options import (
    ClassesOption,
    RootOption,
    ScenarioHelp,
    SettingsOption,
    read_settings,
)
from orchestration.plan import (
    Request,
    customised,
    known_studies,
    load_study,
    make_plan,
    read_plan,
)
from orchestration.runners.base import Resources
from orchestration.runners.base import quiet_environment as worker_environment
from orchestration.session import Session, new_runner
from orchestration.status import status_table
from orchestration.tracking.base import quiet_environment as tracking_environment

FINISHED, SOME_FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130

app = App(
    name="moleflow",
    help="Continual anomaly detection experiments: run, track and report task sequences.",
    version=version("moleflow"),
)
app.command(data_app)
for command in (train, predict, evaluate, learn, analyse):
    app.command(command)

UriOption = Annotated[
    str | None,
    Parameter(
        env_var="MLFLOW_TRACKING_URI",
        help="MLflow tracking store; default: sqlite in the root folder.",
    ),
]


@app.command
def run(
    study: Annotated[str, Parameter(help="Name of a study, or path of a .py file with STUDY.")],
    *,
    data: Annotated[str | None, Parameter(help="Folder of the classes; see `data check`.")] = None,
    classes: ClassesOption = (),
    profile: Annotated[str | None, Parameter(help=f"Base settings: {', '.join(PROFILES)}.")] = None,
    scenario: Annotated[str | None, ScenarioHelp] = None,
    groups: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=True, help="The tasks, each as classes joined by +: a+b c."),
    ] = (),
    orders: Annotated[int | None, Parameter(help="Number of task orders.")] = None,
    task0: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, help="Choices of a class of task 0.")
    ] = (),
    seeds: Annotated[int | None, Parameter(help="Number of seeds, from 0.")] = None,
    settings: SettingsOption = (),
    root: RootOption = Path("runs"),
    runner: Annotated[str, Parameter(help="ray_tune, or inline: this process.")] = "ray_tune",
    cpus_per_trial: Annotated[float, Parameter(help="CPU cores of a trial.")] = 1.0,
    gpus_per_trial: Annotated[float, Parameter(help="GPUs of a trial; fractions share.")] = 0.0,
    address: Annotated[str | None, Parameter(help="An existing Ray cluster, e.g. auto.")] = None,
    mlflow_uri: UriOption = None,
) -> int:
    """Run a study: plan it, run every trial that has no record yet, track and report it."""
    name, asked = load_study(study)
    request = Request(
        data=data,
        classes=classes,
        profile=profile,
        scenario=scenario,
        groups=tuple(tuple(group.split("+")) for group in groups),
        orders=orders,
        task0=task0,
        seeds=seeds,
        settings=read_settings(settings),
    )
    resources = parse(
        Resources,
        {
            "cpus_per_trial": cpus_per_trial,
            "gpus_per_trial": gpus_per_trial,
            "address": address,
        },
    )
    place = Root.at(root)
    os.environ.update(tracking_environment() | worker_environment(resources))
    session = Session(place, mlflow_uri, out, err)
    runs, tracker = new_runner(runner, place, resources), session.tracker()
    plan = make_plan(name, customised(asked, request), request, place, _say)
    try:
        finished = session.run(plan, runs, tracker)
    except KeyboardInterrupt:
        err.print(f"interrupted; resume with: {escape(_command_line())}")
        raise
    _write_report(name, place)
    out.print(f"MLflow    {escape(session.ui_command())}")
    return FINISHED if finished else SOME_FAILED


@app.command
def status(study: str, *, root: RootOption = Path("runs")) -> int:
    """Show what of a study is done, from the ledger alone."""
    place = Root.at(root)
    out.print(status_table(read_plan(study, place), place))
    return FINISHED


@app.command
def report(study: str, *, root: RootOption = Path("runs")) -> int:
    """Write a study's report anew, from the ledger alone."""
    place = Root.at(root)
    read_plan(study, place)
    _write_report(study, place)
    return FINISHED


@app.command
def sync(study: str, *, root: RootOption = Path("runs"), mlflow_uri: UriOption = None) -> int:
    """Bring the tracking store up to date with a study's ledger."""
    place = Root.at(root)
    os.environ.update(tracking_environment())
    plan = read_plan(study, place)
    return FINISHED if Session(place, mlflow_uri, out, err).sync(plan) else SOME_FAILED


@app.command
def studies() -> int:
    """List the studies that come with the package."""
    for name in known_studies():
        _, study = load_study(name)
        out.print(f"{name:<14} {escape(study.question)}")
    return FINISHED


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


def _say(text: str) -> None:
    out.print(escape(text))


def _command_line() -> str:
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _write_report(name: str, root: Root) -> None:
    """Reports stand above this package, so they are found by entry point, never imported."""
    kind = read_plan(name, root).study.report
    found = [entry for entry in entry_points(group="moleflow.reports") if entry.name == kind]
    if not found:
        known = ", ".join(entry.name for entry in entry_points(group="moleflow.reports"))
        raise StudyError(f"study {name!r} asks for an unknown report {kind!r}; known are {known}")
    written = found[0].load()(root.study(name))
    out.print(escape(written.headline), soft_wrap=True)
    out.print(f"report    {escape(str(written.html))}")
