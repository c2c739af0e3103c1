"""`moleflow run`: from what is asked at the command line to a finished study."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.markup import escape

from moleflow.settings import parse
from orchestration.commands.changes import UNCHANGED, Changes, asked
from orchestration.commands.consoles import err, out
from orchestration.commands.last_net import PIPE_CLOSED
from orchestration.commands.options import RootOption, UriOption, tracking_uri
from orchestration.commands.whole_numbers import WHOLE
from orchestration.driver.drive import Choices, Question, drive
from orchestration.driver.session import Session
from orchestration.hiding import HIDDEN, safe_command
from orchestration.records.layout import Root
from orchestration.records.revision import git_revision
from orchestration.store.address import absolute_store
from orchestration.studies.terms import Resources, Terms

FINISHED, SOME_FAILED = 0, 1


@Parameter(name="*")
@dataclass(frozen=True)
class Machines:
    """Where trials run, and what each gets."""

    runner: Annotated[str, Parameter(help="ray_tune, or inline: this process.")] = "ray_tune"
    address: Annotated[str | None, Parameter(help="An existing Ray cluster, e.g. auto.")] = None
    autoscaling: Annotated[
        bool, Parameter(help="That cluster starts nodes for trials that wait: begin without.")
    ] = False
    cpus_per_trial: Annotated[float, Parameter(help="CPU cores of a trial.")] = 1.0
    gpus_per_trial: Annotated[float, Parameter(help="GPUs of a trial; fractions share.")] = 0.0
    device: Annotated[str, Parameter(help="auto, or cpu: the processor in any case.")] = "auto"
    memory_per_trial: Annotated[float, Parameter(help="GB of memory of a trial; 0: any.")] = 0.0
    tasks_at_once: Annotated[
        int,
        WHOLE,
        Parameter(help="Tasks that a trial trains side by side on its GPU; 0: what pays."),
    ] = 0
    accelerator: Annotated[
        str | None, Parameter(help="Kind of node, e.g. A100, or a resource that nodes declare.")
    ] = None
    max_retries: Annotated[
        int, WHOLE, Parameter(help="How often a trial whose worker was lost is started again.")
    ] = 2
    stall_limit: Annotated[
        float, Parameter(help="Seconds without a word after which a trial is started again.")
    ] = 3600.0
    wall_limit: Annotated[float, Parameter(help="Seconds that a trial may take; 0: any.")] = 0.0


@Parameter(name="*")
@dataclass(frozen=True)
class Storage:
    """Where results live, and what is taken from them."""

    root: RootOption = Path("runs")
    store: Annotated[
        str | None, Parameter(help="Folder or URI (s3://…) of stage results; default: in --root.")
    ] = None
    sharing: Annotated[
        bool, Parameter(help="Whether trials take trained stages from each other.")
    ] = True
    verify_sharing: Annotated[
        float, Parameter(help="Share of the shared stages that is computed again and compared.")
    ] = 0.0
    retry: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=True, help="Run these again: failed, diverged, stopped."),
    ] = ()
    mlflow_uri: UriOption = None


USUAL_MACHINES, USUAL_STORAGE = Machines(), Storage()


def run(
    study: Annotated[str, Parameter(help="Name of a study, or path of a .py file with STUDY.")],
    *,
    changes: Changes = UNCHANGED,
    machines: Machines = USUAL_MACHINES,
    storage: Storage = USUAL_STORAGE,
) -> int:
    """Run a study: plan it, run every trial that has no record yet, track and report it."""
    out.outlive()  # a study of days does not end because nobody reads its log any more
    wanted = asked(study, changes)
    place, terms = Root.at(storage.root), terms_of(machines, storage)
    session = Session(place, tracking_uri(storage.mlflow_uri), out, err, _command_line())
    question = Question(wanted.name, wanted.study, changes.data, wanted.source, wanted.packaged)
    try:
        finished = drive(question, session, terms, _choices(changes, machines, storage))
    except KeyboardInterrupt:
        err.print(f"interrupted; resume with: {escape(_command_line())}{_hidden()}")
        raise
    if out.lost:
        return PIPE_CLOSED
    return FINISHED if finished else SOME_FAILED


def _choices(changes: Changes, machines: Machines, storage: Storage) -> Choices:
    return parse(
        Choices,
        {
            "runner": machines.runner,
            "sharing": storage.sharing,
            "retry": storage.retry,
            "most_trials": changes.most_trials,
            "first": changes.first,
        },
    )


def terms_of(machines: Machines, storage: Storage) -> Terms:
    """Raises:
    ConfigError: a number does not fit.
    """
    return parse(
        Terms,
        {
            "resources": {name: getattr(machines, name) for name in Resources.model_fields},
            "verify": storage.verify_sharing,
            "store": absolute_store(storage.store),
            "revision": git_revision(),
        },
    )


def _command_line() -> str:
    """For others to read too: without secrets."""
    return safe_command([Path(sys.argv[0]).name, *sys.argv[1:]])


def _hidden() -> str:
    return f"    ({HIDDEN}: a secret that is not shown)" if HIDDEN in _command_line() else ""
