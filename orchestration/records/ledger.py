"""The ledger: one immutable record per finished trial.

It is the truth; MLflow and reports derive from it. A record names its trial and ends with a
checksum (`moleflow.sealed`): a file that is not the record of its name is a misfit, and counts for
nothing.
"""

import math
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from moleflow.data.sequences import order_name, task_name
from moleflow.errors import StoreError
from moleflow.files import read_regular
from moleflow.measurement import Measurement
from moleflow.sealed import seal, unsealed
from moleflow.settings import Settings
from orchestration.records.files import write_atomically
from orchestration.records.layout import StudyFolder
from orchestration.records.stages import StageRef
from orchestration.studies.expansion import Trial
from orchestration.studies.terms import Role

FORMAT = 3

ROWS, END = b'\n "rows": [\n', b"\n ]"
"""As the ledger writes them: what is inside of a field is indented by more than one space."""
FINAL = b'"definition": "final_mean"'
HEAD = re.compile(rb'\{\n "key": "([^"]*)",\n "study": "([^"]*)",')
"""How a record begins: trial, study."""

Status = Literal["finished", "stopped", "diverged", "failed"]
"""`stopped`: by a search, after some of its tasks, as others were better there."""


class ClassSummary(Settings):
    """What was there of one class."""

    train: int
    test_good: int
    test_anomalous: int
    masks: int


class Failure(Settings):
    """Why a trial did not finish."""

    kind: str
    """Name of the error, e.g. `DivergedError`."""
    message: str
    stage: StageRef | None = None
    """Where it happened."""
    numbers: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Last numbers, for a diverged trial: epoch, loss, gradient norm."""
    traceback: str = ""


class Stopped(Settings):
    """Where a search stopped a trial: it was not among the best of those that came so far."""

    tasks: int
    """Tasks learned."""
    value: float
    """What the search makes large, then."""
    place: int
    """Its rank among those compared, from 1."""
    among: int
    """Trials compared, itself too."""


class StageSource(Settings):
    """Where the result of a trial's stage comes from."""

    kind: str
    """In the store: `features`, `base`, `adapter`, `scores`."""
    key: str
    source: Literal["made", "resumed", "shared"]
    """Computed by this attempt, by an earlier attempt of this trial, or by another trial."""
    trial: str = ""
    """Key of the trial that computed it; empty where the store does not say."""
    study: str = ""
    after: tuple[str, ...] = ()
    """For a trained stage: the tasks that its model had learned before, in that order."""
    result: str = ""
    """For a trained stage: SHA-256 of what was trained."""
    seconds: float = 0.0
    """How long computing it took; a second in which n tasks were trained at once counts 1/n."""
    at_once: int = 1
    """Most tasks that its trial trained at once meanwhile."""
    device: str = ""
    threads: int = 0
    host: str = ""
    git: str = ""
    verified: bool = False
    """Whether this trial computed it again and found the same bytes (`--verify-sharing`)."""


class Span(Settings):
    """When an attempt at a trial was at work."""

    started: float
    ended: float
    """Its last word, where it was interrupted."""


class RoutingCounts(Settings):
    """Confusion of the router after the last task: rows are true classes, columns chosen tasks."""

    classes: tuple[str, ...]
    tasks: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    smallest_margin: float | None = None
    """Smallest (distance to best wrong task - distance to true task) over all test images."""


class Record(Trial):
    """A trial, and what came of it."""

    format: int = FORMAT
    status: Status
    failure: Failure | None = None
    data: dict[str, ClassSummary]
    result_versions: dict[str, int]
    """Of every kind of result, as they were (`orchestration.studies.versions`)."""
    versions: dict[str, str]
    """Python, moleflow and the packages that numbers depend on."""
    git: str
    """Revision of the code, with `+changes-` and a digest for an unclean tree; `unknown`
    outside a checkout."""
    store: str = ""
    """Where results of its stages lay, without secrets; empty: below the root folder."""
    device: str
    """`cpu:avx512`, `cuda:sm_90:kernels2` and the like: kinds round differently."""
    threads: int
    host: str
    started: float
    """When its first attempt began, and so what is known of the trial."""
    ended: float
    attempts: int = 1
    spans: tuple[Span, ...] = ()
    """Of all attempts of which anything is known; between them nobody worked on it."""
    role: Role = "shared"
    """What the trial might take from others."""
    adopted_from: str = ""
    """The study of the same root folder that ran this trial, where it was not this one."""
    stages: dict[StageRef, StageSource] = Field(default_factory=dict[StageRef, StageSource])
    """Where each stage's result comes from."""
    uses: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """Keys, by kind, of everything in the store that the trial used or made."""
    seconds: dict[StageRef, float] = Field(default_factory=dict[StageRef, float])
    """Wall time by stage in all attempts of this trial: that of a stage which an earlier attempt
    has made is in it. A second in which n tasks were trained at once
    counts 1/n for each, so that stages add up to the time that passed."""
    losses: dict[StageRef, float] = Field(default_factory=dict[StageRef, float])
    """Of each trained stage, whoever trained it, the loss of its last epoch: mean over images."""
    rows: tuple[Measurement, ...] = ()
    selection: tuple[Measurement, ...] = ()
    """What was measured on pictures that training may see and did not (docs/search.md): means after
    every task, and each class's numbers after the last one. Never mixed with `rows`."""
    stopped: Stopped | None = None
    hashes: dict[str, str] = Field(default_factory=dict[str, str])
    """SHA-256 of `base`, of each `bank <task>` and of each class's `scores <class>`."""
    routing: RoutingCounts | None = None
    parameters: dict[str, int] = Field(default_factory=dict[str, int])
    """Trained parameters by component: `base`, `bank`, `bank/lora`, …"""
    peak_memory: int = 0
    """Largest resident memory of the trial's process, bytes."""
    artifacts: tuple[str, ...] = ()
    """Files below the trial's artifacts folder."""

    @property
    def trial(self) -> Trial:
        """Without what came of it."""
        return Trial.model_construct(**{name: getattr(self, name) for name in Trial.model_fields})

    @property
    def computing_seconds(self) -> dict[StageRef, float]:
        """By stage, how long computing it took, whichever trial did."""
        known = {name: s.seconds for name, s in self.stages.items() if s.trial}
        return {**self.seconds, **known}

    @property
    def working_seconds(self) -> float:
        """Wall time in which the trial was at work, whatever interrupted it."""
        if not self.spans:
            return self.ended - self.started
        return math.fsum(span.ended - span.started for span in self.spans)

    @property
    def saved_seconds(self) -> float:
        """How long computing what was taken from other trials had taken."""
        return math.fsum(s.seconds for s in self.stages.values() if s.source == "shared")

    @property
    def revisions(self) -> set[str]:
        """Of all code that computed what the record's numbers rest on."""
        return {self.git} | {source.git for source in self.stages.values() if source.git}

    @property
    def task0(self) -> str:
        return task_name(self.sequence[0])

    @property
    def order(self) -> str:
        return order_name(self.sequence)


class MisfitError(StoreError):
    """A file of the ledger is not the record that its name says."""

    def __init__(self, path: Path, what: str):
        self.path, self.what = path, what
        super().__init__(
            f"{path}: {what}; its numbers are not counted. Run the study again: the file is set "
            "aside, and what the trial computed is taken from the store"
        )


class Ledger:
    """Records of one study."""

    def __init__(self, folder: StudyFolder):
        self._folder = folder

    def write(self, record: Record) -> None:
        """Publish a record: written aside, flushed, renamed, so that it is whole or not there."""
        target = self._folder.record(record.key)
        write_atomically(target, seal(record.model_dump_json(indent=1, exclude_defaults=False)))

    def read(self, key: str) -> Record | None:
        """Raises:
        MisfitError: the file is not this trial's record, or was changed.
        StoreError: it may not be read.
        """
        return self._parsed(key, bytes)

    def read_brief(self, key: str) -> Record | None:
        """The record with its final means as its only rows: rows are nearly all of its bytes."""
        return self._parsed(key, without_rows)

    def keys(self) -> list[str]:
        """By the names of the files; what is in them is known by reading."""
        return sorted(path.stem for path in self._folder.trials.glob("*.json"))

    def misfits(self, known: Collection[str] = ()) -> list[MisfitError]:
        """Files that are not the record that their name says.

        Args:
            known: keys that need not be looked at.
        """
        found: list[MisfitError] = []
        for key in self.keys():
            try:
                if key not in known:
                    self._content(key)
            except MisfitError as error:
                found.append(error)
        return found

    def records(self) -> Iterator[Record]:
        """Raises:
        MisfitError: at the first one.
        """
        for key in self.keys():
            record = self.read(key)
            if record is not None:
                yield record

    def sound(self, tell: Callable[[str], None], prefix: str = "") -> Iterator[Record]:
        """All records whose keys begin so; misfits among them are told of and passed over."""
        for key in self.keys():
            try:
                record = self.read(key) if key.startswith(prefix) else None
            except MisfitError as error:
                tell(str(error))
                continue
            if record is not None:
                yield record

    def _parsed(self, key: str, kept: Callable[[bytes], bytes]) -> Record | None:
        content = self._content(key)
        if content is None:
            return None
        try:
            return Record.model_validate_json(kept(content))
        except ValueError as error:
            what = f"is not a record of format {FORMAT} ({str(error).splitlines()[0]})"
            raise MisfitError(self._folder.record(key), what) from None

    def _content(self, key: str) -> bytes | None:
        """Of a record that is whole and the one of its name; costs a third of reading it."""
        path = self._folder.record(key)
        content = _whole(path)
        if content is None:
            return None
        head = HEAD.match(content)
        if head is None:
            raise MisfitError(path, "is no record")
        trial, study = head[1].decode(), head[2].decode()
        if (trial, study) != (key, self._folder.name):
            what = f"is the record of trial {trial} of study {study}, not of what its name says"
            raise MisfitError(path, what)
        return content


def _whole(path: Path) -> bytes | None:
    """What a sealed file holds; None where there is none."""
    try:
        return unsealed(read_regular(path))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise MisfitError(path, str(error)) from None
    except PermissionError as error:
        said = f"{path}: cannot be read ({error.strerror}); mend its permissions: it is a record"
        raise StoreError(said) from None
    except OSError as error:
        if path.is_file():
            raise
        raise MisfitError(path, str(error.strerror)) from None


def without_rows(content: bytes) -> bytes:
    """The record with those rows alone that hold a final mean."""
    start = content.find(ROWS)
    end = content.find(END, start)
    if start < 0 or end < 0:
        return content
    kept, at = list[bytes](), start
    while (at := content.find(FINAL, at, end)) >= 0:
        kept.append(content[content.rfind(b"{", start, at) : content.find(b"}", at) + 1])
        at += len(FINAL)
    return content[:start] + b'\n "rows": [' + b",".join(kept) + b"]" + content[end + len(END) :]
