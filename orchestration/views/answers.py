"""What commands print with `--json`: a shape each, with a version. docs/json.md lists every field.

A field that is added keeps the version; one that goes or means something else raises it.
"""

from typing import Literal

from moleflow.settings import Settings


class Named(Settings):
    """A class."""

    name: str
    """Of its folder."""
    train: int
    """Training pictures."""
    test: int
    """Test pictures."""


class Trials(Settings):
    """How many trials there are."""

    asked: int
    """That the study asks for, those that are one counted each time."""
    distinct: int
    """Each once; with `--first`, those that run first."""
    on_record: int
    """That have ended."""
    elsewhere: int
    """That other studies of the root folder have finished."""
    left: int
    """To run."""


class Tasks(Settings):
    """Trained stages: a base or an adapter each."""

    asked: int
    """Of all trials that are asked for."""
    in_trials: int
    """Of distinct trials."""
    distinct: int
    """With a key of their own."""
    stored: int
    """Distinct ones of trials that are left, in the store."""
    to_train: int
    """That are left to train, those that are trained twice counted twice."""
    twice: int
    """That are trained a second time, to show that orders cannot matter."""


class Part(Settings):
    """A part of a union."""

    name: str
    """Of the part."""
    asked: int
    """Trials that it asks for."""
    distinct: int
    """Those with a key of their own in it."""
    new: int
    """Those that no part before it asks for."""


class Seconds(Settings):
    """What kinds of stages take, all workers together."""

    kind: str
    """`starting`, `features`, `base`, `adapter` or `besides`: evaluation and all else."""
    stages: int
    """How many are computed."""
    seconds: float
    """Of all of them."""


class Run(Settings):
    """A trial that is left, in the order in which trials start."""

    place: int
    """From 1."""
    trial: str
    """Its key."""
    axes: dict[str, str]
    """What it is called in the study."""
    seed: int
    """Of its training."""
    sequence: tuple[tuple[str, ...], ...]
    """Its tasks, each of one or more classes."""
    role: str
    """`shared`, `witness`, `derived` or `alone`, see docs/design.md."""
    ends: float
    """Seconds after the study's beginning."""


class PlanAnswer(Settings):
    """`moleflow plan STUDY --json`."""

    format: Literal["moleflow.plan/1"] = "moleflow.plan/1"
    """Shape and version."""
    study: str
    """Its name."""
    question: str
    """What it asks."""
    data: str
    """Folder of the classes, or name of a data set that need not be there."""
    known: bool
    """Whether content of pictures and weights was looked at; otherwise nothing can be known of
    what exists already."""
    classes: tuple[Named, ...]
    """That are learned."""
    trials: Trials
    """Counts."""
    tasks: Tasks
    """Counts."""
    parts: tuple[Part, ...]
    """Of a union; empty otherwise."""
    basis: str
    """What predicted seconds rest on, in words."""
    measured: bool
    """Whether trials were measured here; else a probe or a table was asked."""
    device: str
    """`cpu` or `gpu`."""
    stages: tuple[Seconds, ...]
    """Predicted, by kind."""
    computing: float
    """Seconds of all workers together."""
    alone: float
    """The same, did no trial take anything from another, and did those that are one run as often as
    they are asked for."""
    hours: float
    """CPU or GPU hours: `computing`, times what a trial is given of them."""
    workers: int
    """Trials at a time; 0: as many as a cluster gives, which is not known."""
    wall: float
    """Seconds until the last trial ends; with 0 workers, that of the critical path."""
    critical_path: float
    """Seconds, however many workers there are."""
    disk: dict[str, int]
    """Bytes that are left, by what takes them: `features`, `trained`, `scores`, `records`."""
    warnings: tuple[str, ...]
    """What cannot have an effect, and how many trials on record the plan does not ask for."""
    left_out: tuple[str, ...]
    """What of the study does not fit these classes, and is left out or made to fit."""
    runs: tuple[Run, ...] | None = None
    """With `--list`: the trials that are left."""


class Compared(Settings):
    """A forecast and the truth so far."""

    made: float
    """Seconds since 1970."""
    basis: str
    """What it rested on."""
    tasks: int
    """Tasks that were expected to be trained and were."""
    expected: float
    """Seconds of training them, as expected."""
    took: float
    """Seconds that training them took."""
    trials: int
    """Trials that were expected to run and have finished."""
    expected_at_work: float
    """Seconds of these trials, all that they do, as expected."""
    took_at_work: float
    """Seconds that they were at work."""


class State(Settings):
    """Where a trial stands."""

    trial: str
    """Its key."""
    axes: dict[str, str]
    """What it is called in the study."""
    seed: int
    """Of its training."""
    status: str
    """`finished`, `stopped`, `diverged`, `failed`, `in work`, `interrupted` or `waiting`."""
    fraction: float
    """Of it that is done."""
    seconds: float | None
    """At work, in all attempts; not there before it has ended."""
    host: str
    """Where it ran or runs; may be empty."""
    values: dict[str, float]
    """Means over classes, routed, e.g. of `image_auroc/mean`; the last that are known."""
    failure: str
    """Why it did not finish; empty if it did."""
    traceback: str
    """Of what it failed of; empty where the message says all."""


class StatusAnswer(Settings):
    """`moleflow status STUDY --json`."""

    format: Literal["moleflow.status/1"] = "moleflow.status/1"
    """Shape and version."""
    study: str
    """Its name."""
    trials: int
    """Of the plan."""
    finished: int
    """Trials."""
    stopped: int
    """Trials that a search has given up before their end."""
    diverged: int
    """Trials."""
    failed: int
    """Trials."""
    in_work: int
    """Trials."""
    interrupted: int
    """Trials that were begun and are worked on by nobody."""
    left: int
    """Trials without a record, those in work and interrupted among them."""
    driver: str
    """Process and host of what drives it; empty: nothing does."""
    seconds_left: float | None
    """Until the last trial ends; not there while nothing is known."""
    forecasts: tuple[Compared, ...]
    """Of every run of the study: what was expected when it began, and what came of it so far."""
    states: tuple[State, ...]
    """Of every trial, in the plan's order."""
    damaged: tuple[str, ...]
    """Files that are not what their names say."""
    cautions: tuple[str, ...]
    """What a reader of the numbers must know: that the test set chose, which settings are one, and
    which changed nothing."""


class Known(Settings):
    """A study of the package."""

    name: str
    """To run it by."""
    question: str
    """What it asks."""
    reports: tuple[str, ...]
    """Kinds of report that it feeds."""
    text: str
    """All that it says of itself."""


class StudiesAnswer(Settings):
    """`moleflow studies --json`."""

    format: Literal["moleflow.studies/1"] = "moleflow.studies/1"
    """Shape and version."""
    studies: tuple[Known, ...]
    """By name."""


class Stored(Settings):
    """Entries of a kind."""

    kind: str
    """`features`, `base`, `adapter`, `scores` or `metrics`."""
    entries: int
    """How many."""
    bytes: int
    """Of all of them."""
    oldest: float
    """When it was made, in seconds since 1970."""
    newest: float
    """When it was made, in seconds since 1970."""
    studies: tuple[str, ...]
    """Whose records name one of them."""


class StoredEntry(Settings):
    """One result of a stage."""

    kind: str
    """As above."""
    key: str
    """Of the stage."""
    bytes: int
    """Of all its files."""
    modified: float
    """When it was made, in seconds since 1970."""
    studies: tuple[str, ...]
    """Whose records name it."""


class StoreAnswer(Settings):
    """`moleflow store ls --json`."""

    format: Literal["moleflow.store/1"] = "moleflow.store/1"
    """Shape and version."""
    kinds: tuple[Stored, ...]
    """By kind."""
    entries: tuple[StoredEntry, ...] | None = None
    """With `--entries`: every one."""
    damaged: tuple[str, ...]
    """Entries that are not whole."""
    leftovers: tuple[str, ...]
    """What `store gc` deletes in any case."""


class Check(Settings):
    """What a check found."""

    name: str
    """Of the check."""
    state: Literal["ok", "warning", "problem"]
    """How bad it is."""
    found: str
    """What is so."""
    remedy: str
    """What to do; may be empty."""


class DoctorAnswer(Settings):
    """`moleflow doctor --json`."""

    format: Literal["moleflow.doctor/1"] = "moleflow.doctor/1"
    """Shape and version."""
    problems: int
    """How many checks found one."""
    warnings: int
    """How many checks have one."""
    checks: tuple[Check, ...]
    """In the order in which they were made."""


ANSWERS: tuple[type[Settings], ...] = (
    PlanAnswer,
    StatusAnswer,
    StudiesAnswer,
    StoreAnswer,
    DoctorAnswer,
)
