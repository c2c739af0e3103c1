"""What is left after faults: against an undisturbed study, to the bit; and what they cost."""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import inf

import pandas as pd

from orchestration.records import results
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, MisfitError, Record
from orchestration.records.stages import StageRef
from tests.nemesis.arena import Arena, Fired, trace
from tests.nemesis.faults import Fault
from tests.processes import wait_for

TORN = re.compile(r".*/?\.[^/]*\.?[0-9a-f]{32}(/.*)?")
"""Names under which files and folders are written before they get their own."""
ASIDE = re.compile(r".*\.damaged-[0-9a-f]{8}(/.*)?|.*/(misfits|earlier)/.*")
"""What was damaged, and is kept for whoever wants to look."""
PASSING = re.compile(r"leases/.*|.*/(waves(/.*)?|driver\.json|stop)|crashes/.*")
"""What is there while a study runs, or when it met what nobody expected."""


@dataclass(frozen=True)
class Outcome:
    """What may not depend on anything that broke."""

    tables: list[pd.DataFrame]
    """Of each study."""
    hashes: list[dict[str, dict[str, str]]]
    artifacts: dict[str, bytes]
    made: Counter[str]
    """How often each result was computed, by kind of stage and key."""


def outcome(arena: Arena) -> Outcome:
    """Raises:
    AssertionError: there is no such result.
    """
    tables: list[pd.DataFrame] = []
    hashes: list[dict[str, dict[str, str]]] = []
    artifacts: dict[str, bytes] = {}
    made: Counter[str] = Counter()
    for study in arena.studies:
        folder = arena.study(study)
        table = results.read(folder)
        columns = [name for name in table.columns if name != "study"]
        tables.append(table[columns].sort_values(columns, ignore_index=True))
        records = records_of(folder)
        assert {r.status for r in records} == {"finished"}, [r.failure for r in records]
        hashes.append({record.key: record.hashes for record in records})
        for record in records:
            artifacts |= dict(_kept(folder, record))
            if not record.adopted_from:
                made += _made(folder, record)
    return Outcome(tables, hashes, artifacts, made)


def records_of(folder: StudyFolder) -> list[Record]:
    try:
        return list(Ledger(folder).records())
    except MisfitError as error:
        raise AssertionError(str(error)) from None


def _kept(folder: StudyFolder, record: Record) -> Iterator[tuple[str, bytes]]:
    """Files of a finished trial that are the same whenever it ran."""
    for place in (folder.artifacts(record.key), folder.model(record.key)):
        for path in sorted(place.glob("*")):
            yield f"{record.key[:8]}/{place.name}/{path.name}", path.read_bytes()


def _made(folder: StudyFolder, record: Record) -> Counter[str]:
    """Of an attempt in another role (a witness, say, that was none before) keys are not known."""
    made: Counter[str] = Counter()
    for attempt in attempts(folder, record.key):
        for stage, count in attempt.made.items():
            source = record.stages.get(stage)
            if source is not None and attempt.role == record.role:
                made[f"{source.kind}/{source.key}"] += count
    return made


@dataclass
class AttemptSeen:
    """An attempt at a trial, as its events tell; positions are bytes in their file."""

    role: str
    first: int
    made: Counter[StageRef]
    open: dict[StageRef, int]
    """Stages that were begun and not ended, and where that is said."""
    last: int = 0


def attempts(folder: StudyFolder, key: str) -> list[AttemptSeen]:
    found: list[AttemptSeen] = []
    try:
        lines = folder.events(key).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    place = 0
    for line in lines:
        try:
            said = json.loads(line)
            kind = said["kind"]
            stage = StageRef.parse(said["stage"]) if "stage" in said else None
        except (ValueError, KeyError, TypeError):
            kind, said, stage = "", {}, None
        if kind == "attempt":
            found.append(AttemptSeen(said.get("role", ""), place, Counter(), {}, place))
        elif found and stage is not None and kind == "stage started":
            found[-1].open[stage] = place
        elif found and stage is not None and kind == "stage finished":
            found[-1].open.pop(stage, None)
            found[-1].made[stage] += said.get("source") == "made"
        if found:
            found[-1].last = place
        place += len(line)
    return found


@dataclass(frozen=True)
class Cost:
    """What one fault has cost."""

    fault: Fault
    lost: float
    """Seconds of stages that were in work and had to begin again."""
    recovery: float
    """Seconds until a trial said something again."""
    recomputed: int
    """Stages begun again."""


@dataclass(frozen=True)
class Report:
    """Of one schedule."""

    faults: Sequence[Fault]
    fired: Sequence[Fired]
    wrong: Sequence[str]
    """What should not be so."""
    costs: Sequence[Cost]
    doubles: int
    """MLflow runs and points beyond one for each."""
    left: int
    """Bytes of what an undisturbed study does not leave, damaged files that were set aside too."""
    codes: Sequence[int]
    seconds: float
    said: str
    """What the commands printed, where something is wrong."""


def costs(arena: Arena, ended: float) -> list[Cost]:
    """Of every fault that came to pass.

    Args:
        ended: when the last command did, by the machine's monotonic clock.
    """
    told = [one for one in trace(arena) if "event appended" in one[2]]
    fired, lost = arena.fired(), Counter[int]()
    seconds = dict.fromkeys((one.number for one in fired), 0.0)
    at = {one.number: one.at for one in sorted(fired, key=lambda one: one.at)}
    ends = {number for number in at if arena.faults[number].act in ("signal", "others")}
    for study in arena.studies:
        for record in records_of(arena.study(study)):
            where = f"studies/{study}/trials/{record.key}/events.jsonl"
            said = {size: when for when, _, _, path, size, _ in told if path == where}
            every = attempts(arena.study(study), record.key)
            next_begin = [said.get(one.first, inf) for one in every[1:]]
            for attempt, until in zip(every, [*next_begin, inf], strict=True):
                begun = [said[place] for place in attempt.open.values() if place in said]
                for stage in begun if fired else ():
                    number, cost = blame(stage, said.get(attempt.last, stage), until, at, ends)
                    lost[number] += 1
                    seconds[number] += cost
    return [
        Cost(
            arena.faults[one.number],
            seconds[one.number],
            next((at for at, *_ in told if at > one.at), max(ended, one.at)) - one.at,
            lost[one.number],
        )
        for one in fired
    ]


def blame(
    begun: float, last: float, until: float, at: Mapping[int, float], ends: Collection[int]
) -> tuple[int, float]:
    """Which fault a stage that was not ended is the loss of, and the seconds that were lost: of the
    one that ended its process, or of the last one before it.

    Args:
        begun: when the stage was.
        last: when its attempt said its last word.
        until: when the next attempt at the trial began, which nothing of this one outlived.
        at: when each fault came, in their order.
        ends: those that end processes.
    """
    after = [number for number in at if begun < at[number] <= until]
    before = [number for number in at if at[number] <= begun]
    # What ends a process ends the stage that was open; a full disk, one that came.
    if after and (after[0] in ends or not before):
        number = after[0]
    else:
        number = before[-1] if before else next(iter(at))
    if number in after:
        return number, (at[number] if number in ends else max(at[number], last)) - begun
    return number, max(last, begun) - begun


def wrong(arena: Arena, expected: Outcome) -> Iterator[str]:
    """Everything that is not as it is without faults."""
    yield from _processes(arena)
    try:
        found = outcome(arena)
    except (AssertionError, OSError, ValueError) as error:
        yield f"no result: {error}"
        return
    except Exception as error:
        yield f"no result: {type(error).__name__}: {error}"
        return
    for number, study in enumerate(arena.studies):
        if not expected.tables[number].equals(found.tables[number]):
            yield f"the table of {study} differs"
        if expected.hashes[number] != found.hashes[number]:
            yield f"hashes of {study} differ"
    # What a finished trial left is read by nobody, and a model's files are the store's on disk: of
    # those, damage is told when they are used.
    if not any(re.match(r"store/|.*/(artifacts|model)/", one.target) for one in arena.fired()):
        for name in sorted(expected.artifacts.keys() | found.artifacts.keys()):
            if expected.artifacts.get(name) != found.artifacts.get(name):
                yield f"{name} differs, or is not there"
    try:
        yield from _tracked(arena)
    except sqlite3.Error as error:
        yield f"MLflow's database cannot be read: {error}"
    yield from _remade(arena, found)
    yield from left_behind(arena)


def _processes(arena: Arena) -> Iterator[str]:
    try:
        wait_for(lambda: not arena.alive(), 20.0)
    except AssertionError:
        yield f"processes are left: {arena.alive()}"
    for path in arena.temporary.iterdir():
        # torch makes this empty folder whenever it is imported.
        if path.name.startswith("torchinductor_") and not any(path.iterdir()):
            continue
        yield f"{path.name} is left in the folder for temporary files"


def doubles(arena: Arena) -> int:
    """MLflow runs of a trial or study beyond one, and points beyond one for each (name, step)."""
    with closing(sqlite3.connect(f"file:{arena.database}?mode=ro", uri=True)) as held:
        runs, points = _runs(held, arena), 0
        for run in runs:
            rows = held.execute("select key, step from metrics where run_uuid = ?", (run,))
            measured = [row for row in rows if not row[0].startswith("seconds/")]
            points += len(measured) - len(set(measured))
    names = Counter((study, tags) for study, _, tags in runs.values())
    return points + sum(count - 1 for count in names.values())


def _runs(held: sqlite3.Connection, arena: Arena) -> dict[str, tuple[str, str, str]]:
    """By id: experiment, status, and which trial or other part of the study it is of."""
    asked = (
        "select run_uuid, experiments.name, status from runs "
        "join experiments using (experiment_id) where runs.lifecycle_stage = 'active'"
    )
    found: dict[str, tuple[str, str, str]] = {}
    for run, study, status in held.execute(asked).fetchall():
        if study in arena.studies:
            tags = dict(
                held.execute("select key, value from tags where run_uuid = ?", (run,)).fetchall()
            )
            names = ("moleflow.trial", "moleflow.study", "moleflow.setting")
            what = json.dumps({name: tags[name] for name in names if name in tags})
            found[run] = (study, status, what)
    return found


def _tracked(arena: Arena) -> Iterator[str]:
    with closing(sqlite3.connect(f"file:{arena.database}?mode=ro", uri=True)) as held:
        runs = _runs(held, arena)
    for _, status, what in runs.values():
        if status != "FINISHED":
            yield f"the MLflow run of {what} is {status}"
    trials = Counter(
        (study, json.loads(what).get("moleflow.trial")) for study, _, what in runs.values()
    )
    for study in arena.studies:
        for record in records_of(arena.study(study)):
            if trials[study, record.key] != 1:
                yield f"trial {record.key[:8]} has {trials[study, record.key]} MLflow runs"
    if many := doubles(arena):
        yield f"{many} runs or points are in MLflow twice"


def _remade(arena: Arena, found: Outcome) -> Iterator[str]:
    """Each attempt loses at most the stage that it is in; and what was finished is made again only
    where it was damaged, or where others had to take its maker for dead."""
    fired = {one.number: one for one in arena.fired()}
    names = {arena.faults[number].name for number in fired}
    targets = {one.target for one in fired.values()}
    if any(target.endswith("events.jsonl") for target in targets) or "power lost" in names:
        return  # they tell, and are not all there
    for study in arena.studies:
        for record in records_of(arena.study(study)):
            for number, attempt in enumerate(attempts(arena.study(study), record.key)):
                if len(attempt.open) > 1:
                    stages = ", ".join(map(str, attempt.open))
                    yield f"attempt {number + 1} at {record.key[:8]} lost several stages: {stages}"
    paused = any("paused" in name for name in names)
    leases = any(target.startswith("leases/") for target in targets)
    for result, count in found.made.items():
        kind, key = result.split("/")
        damaged = any(f"/{key}/" in target for target in targets)
        if count > 1 and not (damaged or paused or leases):
            yield f"{kind} {key} was computed {count} times"


def left_behind(arena: Arena) -> Iterator[str]:
    for path in sorted(arena.root.path.rglob("*")):
        name = str(path.relative_to(arena.root.path))
        if TORN.fullmatch(name):
            yield f"left behind: {name}"
        elif PASSING.fullmatch(name) and path.is_file():
            yield f"still there: {name}"


def left(arena: Arena) -> int:
    """Bytes in the root folder, and in the one for temporary files, that nothing needs."""
    found = 0
    for place in (arena.root.path, arena.temporary):
        for path in place.rglob("*"):
            name = str(path.relative_to(place))
            extra = place == arena.temporary or any(
                one.fullmatch(name) for one in (TORN, ASIDE, PASSING)
            )
            if extra and path.is_file() and not path.is_symlink():
                found += path.stat().st_size
    return found
