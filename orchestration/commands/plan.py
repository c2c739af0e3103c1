"""`moleflow plan`: what a study would run and what it takes, before anything runs."""

from collections.abc import Mapping
from typing import Annotated

from cyclopts import Parameter

from moleflow.errors import StudyError
from orchestration.cluster.allowance import allowed_cpus
from orchestration.commands.changes import UNCHANGED, Changes, asked
from orchestration.commands.consoles import answer, out
from orchestration.commands.options import JsonOption, warn
from orchestration.commands.plan_page import plan_page
from orchestration.commands.plan_trials import Format, write_trials
from orchestration.commands.planned import plan_answer
from orchestration.commands.run import USUAL_MACHINES, USUAL_STORAGE, Machines, Storage, terms_of
from orchestration.commands.whole_numbers import WHOLE
from orchestration.driver.expected import Wanted, expected
from orchestration.driver.one_name import no_longer_asked
from orchestration.driver.preview import Look, Preview, preview
from orchestration.driver.session import check_runner
from orchestration.records.layout import Root
from orchestration.studies.effects import without_effect

DONE = 0


def plan(
    study: Annotated[str, Parameter(help="Name of a study, or path of a .py file with STUDY.")],
    *,
    changes: Changes = UNCHANGED,
    machines: Machines = USUAL_MACHINES,
    storage: Storage = USUAL_STORAGE,
    classes_of: Annotated[
        str | None, Parameter(help="Instead of --data: mvtec, visa, mpdd or btad, unseen.")
    ] = None,
    workers: Annotated[
        int | None, WHOLE, Parameter(help="Trials at a time; default: what this machine runs.")
    ] = None,
    probe: Annotated[
        bool, Parameter(negative="", help="Train a few steps here, where no trial tells the speed.")
    ] = False,
    list_them: Annotated[
        bool, Parameter(name="--list", negative="", help="Every trial, in the order they start.")
    ] = False,
    as_json: JsonOption = False,
    as_format: Annotated[
        Format | None, Parameter(name="--format", help="All trials as yaml or csv, nothing else.")
    ] = None,
) -> int:
    """Say what a study would run, what of it is there already, and what the rest will take.

    Takes the options of `run`. Nothing runs, and nothing is written.
    """
    _check_numbers({"--workers": workers, "--first": changes.first})
    _check_output(as_json, as_format)
    wanted = asked(study, changes)
    place, terms = Root.at(storage.root), terms_of(machines, storage)
    origin = (wanted.source, wanted.packaged)
    look = Look(changes.data, classes_of, *origin, changes.most_trials, terms.store)
    found = preview(wanted.name, wanted.study, place, look, warn)
    inline = check_runner(machines.runner) == "inline"
    asks = Wanted(workers, probe, changes.first, storage.sharing, inline)
    _check_cores(machines)
    told = expected(found, place, terms, asks)
    if as_format is not None:
        write_trials(told, as_format)
        return DONE
    shown = plan_answer(told, terms.resources, _warnings(found, place))
    if not list_them:
        shown = shown.model_copy(update={"runs": None})
    if as_json:
        answer(shown)
    else:
        out.print(plan_page(shown, inline=inline))
    return DONE


def _check_output(as_json: bool, as_format: Format | None) -> None:
    if as_json and as_format is not None:
        raise StudyError("--json and --format both say what is printed; give one of them")


def _warnings(found: Preview, place: Root) -> tuple[str, ...]:
    folder = place.study(found.plan.name)
    left = no_longer_asked(found.plan, folder) if found.known else ""
    return (*without_effect(found.plan), *([left] if left else []))


def _check_cores(machines: Machines) -> None:
    here, cores = allowed_cpus(), machines.cpus_per_trial
    if machines.address is None and cores > here:
        warn(f"--cpus-per-trial {cores:g}: this machine has {here}; no trial starts")


def _check_numbers(given: Mapping[str, int | None]) -> None:
    for option, number in given.items():
        if number is not None and number < 1:
            raise StudyError(f"{option} {number}: give a number from 1 on")
