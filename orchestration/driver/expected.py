"""What a study that is only looked at would run, and what that would take."""

import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from moleflow.errors import StudyError
from orchestration.driver.holdings import holdings, holdings_anywhere
from orchestration.driver.preview import Preview
from orchestration.driver.pricing import BEGIN, Estimate, Left, Prices, usual_workers
from orchestration.driver.probing import probed_rates
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger, MisfitError
from orchestration.sharing.certificate import verdicts
from orchestration.sharing.groups import Keys, first_of, keys_of
from orchestration.sharing.roles import Begun
from orchestration.sharing.savings import nothing
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Plan
from orchestration.studies.known_classes import Pictures
from orchestration.studies.terms import Resources, Terms
from orchestration.views.forecast import begun_of
from orchestration.views.rates import Rates, known_rates
from orchestration.views.speeds import machine, table_rates
from orchestration.views.status import study_status


@dataclass(frozen=True)
class Wanted:
    """What is asked of a forecast."""

    workers: int | None = None
    """Trials at a time; None: as many as this machine runs."""
    probe: bool = False
    first: int | None = None
    sharing: bool = True
    inline: bool = False
    """Whether trials run one after the other in the driver itself: no worker starts."""


@dataclass(frozen=True)
class Expected:
    """Of the trials that a plan holds."""

    plan: Plan
    pictures: Mapping[str, Pictures]
    known: bool
    on_record: int
    elsewhere: int
    """Finished by other studies of the root folder."""
    stored: int
    """Distinct tasks of trials that are left that the store holds."""
    estimate: Estimate
    left_out: tuple[str, ...] = ()
    """As in `Preview`."""


def expected(found: Preview, root: Root, terms: Terms, wanted: Wanted) -> Expected:
    """Reads what there is; writes nothing.

    Raises:
        StoreError, DeviceError, StudyError: what was asked cannot be told.
    """
    whole = found.plan
    plan = first_of(whole, wanted.first)
    keys = keys_of(plan)
    begun, certified = _begun(plan, keys, root) if found.known else _nothing_begun()
    ended = {key for key, one in begun.items() if one.state != "in work"}
    elsewhere = _finished_elsewhere(plan, root) - ended if found.known else set[str]()
    trials = tuple(t for t in keys.trials if t.key not in ended and t.key not in elsewhere)
    stored = frozenset[str]()
    if found.known and wanted.sharing:
        held = holdings_anywhere(root, terms)
        stored = frozenset[str]().union(*(held(trial, "") for trial in trials))
    learned = {
        keys.tasks[key][index]
        for key, one in begun.items()
        for index in (one.learned if one.state == "in work" else ())
    }
    left = Left(
        keys=keys,
        trials=trials,
        begun={key: begun[key] for key in ended},
        verdicts=certified,
        made=stored | learned,
        sharing=wanted.sharing,
    )
    gpus = _gpus(terms.resources)
    rates = _rates(plan, root, terms.resources, wanted.probe, gpus)
    workers = 1 if wanted.inline else usual_workers(terms.resources, len(gpus))
    workers, begin = wanted.workers or workers, 0.0 if wanted.inline else BEGIN
    estimate = Estimate(left, Prices(rates, found.pictures, begin), rates, workers)
    wanted_tasks = {key for trial in trials for key in keys.tasks[trial.key]}
    counts = (len(ended), len(elsewhere), len(stored & wanted_tasks))
    return Expected(plan, found.pictures, found.known, *counts, estimate, found.left_out)


def foretold(
    schedule: Schedule,
    pictures: Mapping[str, Pictures],
    root: Root,
    terms: Terms,
    *,
    inline: bool,
    sharing: bool,
) -> Estimate | None:
    """What the trials that a schedule holds are expected to take; None where there are none, or
    nothing tells how fast their machines are.

    Args:
        inline: whether trials run one after the other in this process; else as many at a time as
            this machine runs, where that is known.
    """
    if not schedule.left:
        return None
    resources = terms.resources
    try:
        rates = known_rates(root, resources, table_rates(machine(resources), "float32"))
    except StudyError:  # a kind of node that is in no table
        return None
    held = holdings(root, terms) if sharing else nothing
    made = frozenset[str]().union(*(held(trial, "") for trial in schedule.left))
    begun = {k: one for k, one in schedule.begun.items() if one.state != "in work"}
    left = Left(
        keys=schedule.keys,
        trials=tuple(schedule.left),
        begun=begun,
        verdicts=schedule.verdicts,
        made=made,
        sharing=sharing,
    )
    if inline:
        return Estimate(left, Prices(rates, pictures, 0.0), rates, 1)
    workers = 0 if resources.gpus_per_trial else usual_workers(resources)
    return Estimate(left, Prices(rates, pictures), rates, workers)


def _nothing_begun() -> tuple[dict[str, Begun], Mapping[str, bool]]:
    return {}, {}


def _begun(plan: Plan, keys: Keys, root: Root) -> tuple[dict[str, Begun], Mapping[str, bool]]:
    """What the study's own files say of its trials, and of its groups."""
    study = study_status(plan, root, time.time()).study
    known = begun_of(keys, study.briefs, study.running)
    return known, verdicts(study.certificates)


def _finished_elsewhere(plan: Plan, root: Root) -> set[str]:
    planned = {trial.key for trial in plan.trials}
    found = set[str]()
    for name in root.study_names():
        ledger = Ledger(root.study(name))
        for key in planned.intersection(ledger.keys()) if name != plan.name else ():
            try:
                record = ledger.read_brief(key)
            except MisfitError:  # told by the study that it is of
                continue
            if record is not None and record.status == "finished":
                found.add(key)
    return found


def _rates(plan: Plan, root: Root, resources: Resources, probe: bool, gpus: Sequence[str]) -> Rates:
    """Of trials of this root folder, else of a probe where one is asked for, else of a table."""
    usual = Counter(trial.config.compute.precision for trial in plan.trials).most_common(1)
    table = table_rates(machine(resources, gpus[0] if gpus else ""), usual[0][0])
    known = known_rates(root, resources, table)
    if known.measured or not probe:
        return known
    return probed_rates(plan.trials[0].config, resources, table)


def _gpus(resources: Resources) -> list[str]:
    """Names of this machine's GPUs, where trials are given any."""
    if not resources.gpus_per_trial or resources.device == "cpu":
        return []
    if resources.address is not None or shutil.which("nvidia-smi") is None:
        return []
    from orchestration.doctor.machine import ask_torch

    return [gpu.name for gpu in ask_torch().gpus]
