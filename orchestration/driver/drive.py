"""From a study to its finished trials, results and report: what `moleflow run` and `run` do."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from moleflow.errors import StudyError
from moleflow.settings import Settings
from moleflow.wording import counted
from orchestration.cluster.environment import quiet_environment as worker_environment
from orchestration.cluster.proxies import without_proxies_here
from orchestration.driver import adoption
from orchestration.driver.driving import driving
from orchestration.driver.expected import foretold
from orchestration.driver.holdings import holdings
from orchestration.driver.misfits import set_misfits_aside
from orchestration.driver.one_name import no_longer_asked
from orchestration.driver.planning import MOST_TRIALS, Planning
from orchestration.driver.preflight import (
    check_models,
    check_precision,
    checking_beside,
    checking_here,
)
from orchestration.driver.reach import check_store
from orchestration.driver.reporting import write_reports
from orchestration.driver.retry import check_retry, renew, retry
from orchestration.driver.searching import Searching
from orchestration.driver.session import Session, check_runner, new_runner
from orchestration.driver.traces import none_left_if_refused
from orchestration.records.forecasts import keep_forecast
from orchestration.records.revision import keep_changes
from orchestration.runners.runner import Runner, left_to_run
from orchestration.sharing.groups import first_of
from orchestration.sharing.no_effect import outcomes_in, unexpected
from orchestration.sharing.savings import savings
from orchestration.sharing.schedule import Schedule
from orchestration.studies.effects import without_effect
from orchestration.studies.expansion import Plan
from orchestration.studies.known_classes import Pictures
from orchestration.studies.study import Study
from orchestration.studies.terms import Resources, Terms
from orchestration.tracking.tracker import quiet_environment as tracking_environment
from orchestration.views.display import roughly

_REST = "the same command without --first runs them"


@dataclass(frozen=True)
class Question:
    """A study as it is to be driven: its name in the root folder, and where its pictures are."""

    name: str
    study: Study
    data: str | None = None
    """Folder of the classes; None for a study that makes its own pictures."""
    source: str = ""
    """The study's file; empty for one that comes with the package, or from Python."""
    packaged: str = ""
    """The study of the package that it is."""


class Choices(Settings):
    """How trials are started; none of it moves a number."""

    runner: str = "ray_tune"
    sharing: bool = True
    """Whether trials take trained stages from each other."""
    retry: tuple[str, ...] = ()
    """Trials of these statuses run again: failed, diverged, stopped."""
    most_trials: Annotated[int, Field(ge=1)] = MOST_TRIALS
    first: Annotated[int, Field(ge=1)] | None = None
    """How many trials run now, the first of the plan's; None: all."""


def drive(question: Question, session: Session, terms: Terms, choices: Choices) -> bool:
    """Plan a study, run every trial that has no record yet, track and report it.

    Returns:
        Whether every trial that was to run has finished.

    Raises:
        MoleflowError: what was asked cannot work; before anything was started.
        KeyboardInterrupt: interrupted; the same call resumes.
    """
    check_retry(choices.retry)
    check_runner(choices.runner)
    root, name = session.root, question.name
    terms = terms.model_copy(update={"search": question.study.search_axis})
    with _environment(terms.resources), none_left_if_refused(root):
        planning = _planning(question, session, terms, choices)
        check_precision(planning.configs, terms.resources)
        check_models(planning.configs)
        away = terms.resources.address is not None
        check_store(terms.store, root, session.say, session.warn, elsewhere=away)
        root.claim()
        with driving(name, root, session.command, session.warn):
            checking = checking_here if choices.runner == "inline" else checking_beside
            with checking(planning.configs, root) as check:
                # Ray and MLflow are imported while another process looks at the backbones.
                runner = new_runner(choices.runner, root, terms, session.warn)
                _check_place(runner, session)
                tracker = session.tracker()
                plan = planning.finish(check)
            for vain in without_effect(plan):
                session.warn(vain)
            set_misfits_aside(root.study(name), session.warn)
            keep_changes(root.study(name), question.source)
            now = first_of(plan, choices.first)
            schedule = _scheduled(plan, now, planning.searching, session, terms, choices)
            _foretell(planning.pictures, schedule, session, terms, choices, name)
            with session.exporter(plan, tracker) as exporter:
                finished = session.run(plan, now, runner, schedule, exporter)
                keys = (trial.key for trial in schedule.plan.trials)
                for found in unexpected(schedule.plan, outcomes_in(root.study(name), keys)):
                    session.warn(found.sentence)
                for written in write_reports(name, root):  # while the last trials are being sent
                    session.say(written.headline)
                    session.say(f"report    {written.html}")
        session.keep_report(schedule.plan, tracker)
        session.say(f"MLflow    {session.ui_command()}")
        if len(now.trials) < len(plan.trials):
            left = len(left_to_run(plan, root))
            session.say(f"{left} of {counted(len(plan.trials), 'trial')} are left: {_REST}")
    return finished


def _planning(question: Question, session: Session, terms: Terms, choices: Choices) -> Planning:
    return Planning(
        question.name,
        question.study,
        question.data,
        session.root,
        session.say,
        source=question.source,
        packaged=question.packaged,
        most=choices.most_trials,
        store=terms.store,
        warn=session.warn,
    )


def _check_place(runner: Runner, session: Session) -> None:
    """Find out that no trial can run here before pictures are read, which may take long. Where
    studies lie already it is told and nothing refused: all that is asked may have finished.

    Raises:
        StudyError: no trial can run here, and none has.
    """
    try:
        runner.check()
    except StudyError as error:
        if not session.root.study_names():
            raise
        session.warn(f"{error}; what has no record yet will be refused")


def _scheduled(
    plan: Plan,
    now: Plan,
    searching: Searching | None,
    session: Session,
    terms: Terms,
    choices: Choices,
) -> Schedule:
    """What is left to run now, after what other studies know and what is to be run again.

    Args:
        now: the plan, with those trials alone that are to run now.
        searching: what proposes more of them.
    """
    root, folder = session.root, session.root.study(plan.name)
    outdated, changes = renew(plan, folder)
    if outdated:
        since = f" ({'; '.join(changes)})" if changes else ""
        session.say(
            f"{counted(outdated, 'trial')} measured by another version{since}, to be run "
            "again from what the store holds; their records are kept"
        )
    left_over = no_longer_asked(plan, folder)
    if left_over:
        session.warn(left_over)
    again = retry(now, folder, choices.retry)
    if again:
        many = counted(len(again), "trial")
        run = "runs" if len(again) == 1 else "run"
        session.say(f"{many} that {' or '.join(choices.retry)} {run} again")
    if choices.sharing:
        adopted = adoption.adopt(plan, root, session.warn)
        if adopted:
            session.say(f"{counted(len(adopted), 'trial')} finished by other studies of this root")
    if searching is not None:
        session.say(searching.sentence)
        if searching.axis.caution:
            session.warn(searching.axis.caution, "bold red")
        searching.first = choices.first
    schedule = Schedule(now, folder, sharing=choices.sharing, proposing=searching)
    if choices.sharing:
        held = holdings(root, terms)
        said = savings(schedule.keys, schedule.outlook(), held).sentence
        if said:
            session.say(said)
    return schedule


def _foretell(
    pictures: Mapping[str, Pictures],
    schedule: Schedule,
    session: Session,
    terms: Terms,
    choices: Choices,
    name: str,
) -> None:
    """Keep what the trials that are left are expected to take, and say it where others tell."""
    inline = choices.runner == "inline"
    found = foretold(
        schedule, pictures, session.root, terms, inline=inline, sharing=choices.sharing
    )
    if found is None:
        return
    keep_forecast(found.forecast(), session.root.study(name))
    if found.rates.measured and found.workers:
        session.say(
            f"about {roughly(found.outcome.wall)} with {counted(found.workers, 'worker')}, from "
            f"{found.rates.basis}"
        )


@contextmanager
def _environment(resources: Resources) -> Generator[None]:
    """What Ray, MLflow and every process that is started must find; as before afterwards."""
    before = dict(os.environ)
    os.environ.update(tracking_environment() | worker_environment(resources))
    os.environ.update(without_proxies_here(os.environ))
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
