"""The front door: a study from Python, as from the command line."""

import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from moleflow.settings import parse
from orchestration.driver.drive import Choices, Question, drive
from orchestration.driver.planning import MOST_TRIALS
from orchestration.driver.session import Session
from orchestration.records.finished import Result
from orchestration.records.layout import Root
from orchestration.records.revision import git_revision
from orchestration.store.address import absolute_store
from orchestration.studies.catalog import load_study
from orchestration.studies.study import Study, check_name
from orchestration.studies.terms import Resources, Terms
from orchestration.tracking.address import check_uri

LONGEST_NAME = 40


def run(
    study: Study | str,
    *,
    data: Path | str | None = None,
    root: Path | str = "runs",
    name: str | None = None,
    resources: Resources | None = None,
    runner: str = "ray_tune",
    store: str | None = None,
    sharing: bool = True,
    verify_sharing: float = 0.0,
    retry: Sequence[str] = (),
    most_trials: int = MOST_TRIALS,
    first: int | None = None,
    mlflow_uri: str | None = None,
    quiet: bool = False,
) -> Result:
    """Plan a study, run every trial that has no record yet, track and report it.

    The same call resumes. Call it before Ray is imported, or with `Resources(address="auto")`.

    Args:
        study: what is asked; or the name of a study of the package, or the path of a .py file.
        data: folder of the classes; None for a study that makes its own pictures.
        root: folder that everything is written to.
        name: folder and MLflow experiment of the study; default: made from its question.
        resources: of each trial, and where trials run.
        runner: `ray_tune`, or `inline`: one trial after another in this process.
        store: folder or URI of stage results; default: below `root`.
        sharing: whether trials take trained stages from each other.
        verify_sharing: share of the shared stages that is computed again and compared.
        retry: trials of these statuses run again: `failed`, `diverged`, `stopped`.
        most_trials: more are refused, as they are usually a slip.
        first: so many trials only, those that tell most; the same call without it runs the rest.
        mlflow_uri: tracking store; default: SQLite below `root`.
        quiet: say nothing but warnings.

    Raises:
        MoleflowError: what was asked cannot work; nothing was started.
        KeyboardInterrupt: interrupted; every worker has ended.
    """
    question = _question(study, data, name)
    session = _session(Root.at(Path(root)), mlflow_uri, quiet, question.name)
    terms = _terms(resources or Resources(), verify_sharing, store)
    choices = {"runner": runner, "sharing": sharing, "retry": tuple(retry)}
    counts = {"most_trials": most_trials, "first": first}
    drive(question, session, terms, parse(Choices, choices | counts))
    return Result(name=question.name, root=session.root.path)


def _terms(resources: Resources, verify: float, store: str | None) -> Terms:
    return parse(
        Terms,
        {
            "resources": resources.model_dump(mode="json"),
            "verify": verify,
            "store": absolute_store(store),
            "revision": git_revision(),
        },
    )


def _question(study: Study | str, data: Path | str | None, name: str | None) -> Question:
    source = str(Path(study).resolve()) if isinstance(study, str) and study.endswith(".py") else ""
    found, packaged = study, ""
    if isinstance(found, str):
        known, found = load_study(found)
        name, packaged = name or known, "" if source else known
    name = check_name(name or name_of(found.question))
    return Question(name, found, None if data is None else str(data), source, packaged)


def _session(root: Root, mlflow_uri: str | None, quiet: bool, name: str) -> Session:
    return Session(
        root,
        None if mlflow_uri is None else check_uri(mlflow_uri, "mlflow_uri"),
        Console(highlight=False, emoji=False, quiet=quiet),
        Console(highlight=False, emoji=False, stderr=True),
        command=f"orchestration.run, study {name}",
    )


def name_of(question: str) -> str:
    """A study's name from its question: `Does it run?` is `does_it_run`."""
    words = re.findall(r"[a-z0-9]+", question.lower())
    name = ""
    for word in words:
        if len(name) + 1 + len(word) > LONGEST_NAME:
            break
        name = f"{name}_{word}" if name else word
    return name or "study"
