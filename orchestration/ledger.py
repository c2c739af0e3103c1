"""The ledger: one immutable record per finished trial.

It is the truth; MLflow and reports derive from it.
"""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from moleflow.config import Config
from moleflow.data.sequences import order_name, task_name
from moleflow.errors import StoreError
from moleflow.files import replace_file
from moleflow.settings import Settings
from orchestration.layout import StudyFolder
from orchestration.terms import Role

FORMAT = 1

ROWS, END = b'\n "rows": [\n', b"\n ]"
"""As the ledger writes them: what is inside of a field is indented by more than one space."""
FINAL = b'"definition": "final_mean"'

Status = Literal["finished", "diverged", "failed"]


class Row(Settings):
    """One number of a trial. The tidy results table is these rows after the trial's columns."""

    step: int
    """Tasks seen when it was measured, from 1."""
    task: int
    """Index of the class's task in the sequence, from 0; -1 for a summary over classes."""
    class_name: str
    """The class; empty for a summary."""
    metric: str
    """`image_auroc`, `image_ap`, `image_f1_max`, `pixel_auroc`, `pixel_ap`, `pixel_f1_max`,
    `aupro`, `routing_accuracy`."""
    definition: str
    """`step` (an entry of R), `step_mean` (mean over classes seen), `final_mean`, `on_task_mean`,
    `backward_transfer/last_minus_own`, `backward_transfer/mean_over_pairs`,
    `forgetting/max_minus_last`, `forgetting/first_minus_last`."""
    routing: Literal["routed", "oracle"]
    """Whether the router or the true task chose the bank."""
    value: float


class ClassSummary(Settings):
    """What was there of one class."""

    train: int
    test_good: int
    test_anomalous: int
    masks: int
    fingerprint: str


class Failure(Settings):
    """Why a trial did not finish."""

    kind: str
    """Name of the error, e.g. `DivergedError`."""
    message: str
    stage: str = ""
    """Stage and task it happened in, e.g. `adapter cookie`."""
    numbers: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Last numbers, for a diverged trial: epoch, loss, gradient norm."""
    traceback: str = ""


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
    """How long computing it took."""
    device: str = ""
    threads: int = 0
    host: str = ""
    git: str = ""
    verified: bool = False
    """Whether this trial computed it again and found the same bytes (`--verify-sharing`)."""


class RoutingCounts(Settings):
    """Confusion of the router after the last task: rows are true classes, columns chosen tasks."""

    classes: tuple[str, ...]
    tasks: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    smallest_margin: float | None = None
    """Smallest (distance to best wrong task - distance to true task) over all test images."""


class Record(Settings):
    """Everything about one finished trial."""

    format: int = FORMAT
    key: str
    study: str
    status: Status
    failure: Failure | None = None
    axes: dict[str, str]
    """The study's axes and this trial's value on each, as text."""
    sequence: tuple[tuple[str, ...], ...]
    seed: int
    config: Config
    data_root: str
    data: dict[str, ClassSummary]
    weights: str = ""
    """Identity of the backbone's weights: `sha256:…`, `timm:…` or `random:<seed>`."""
    versions: dict[str, str]
    """Python, moleflow and the packages that numbers depend on."""
    git: str
    """Revision of the code, with `+changes` for an unclean tree; `unknown` outside a checkout."""
    device: str
    """`cpu:avx512`, `cuda:sm_90` and the like: kinds round differently."""
    threads: int
    host: str
    started: float
    ended: float
    attempts: int = 1
    role: Role = "shared"
    """What the trial might take from others."""
    adopted_from: str = ""
    """The study of the same root folder that ran this trial, where it was not this one."""
    stages: dict[str, StageSource] = Field(default_factory=dict[str, StageSource])
    """Where each stage's result comes from, e.g. of `adapter cookie`."""
    uses: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """Keys, by kind, of everything in the store that the trial used or made."""
    seconds: dict[str, float] = Field(default_factory=dict[str, float])
    """Wall time by stage, e.g. `adapter cookie`."""
    rows: tuple[Row, ...] = ()
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
    def computing_seconds(self) -> dict[str, float]:
        """By stage, how long computing it took, whichever trial did."""
        known = {name: s.seconds for name, s in self.stages.items() if s.trial}
        return {**self.seconds, **known}

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


class Ledger:
    """Records of one study."""

    def __init__(self, folder: StudyFolder):
        self._folder = folder

    def write(self, record: Record) -> None:
        """Publish a record: written aside, flushed, renamed, so that it is whole or not there."""
        target = self._folder.record(record.key)
        write_atomically(target, record.model_dump_json(indent=1, exclude_defaults=False))

    def read(self, key: str) -> Record | None:
        """Raises:
        StoreError: the file holds no record.
        """
        return self._parsed(key, bytes)

    def read_brief(self, key: str) -> Record | None:
        """The record with its final means as its only rows: rows are nearly all of its bytes."""
        return self._parsed(key, without_rows)

    def _parsed(self, key: str, kept: Callable[[bytes], bytes]) -> Record | None:
        path = self._folder.record(key)
        if not path.exists():
            return None
        try:
            return Record.model_validate_json(kept(path.read_bytes()))
        except ValueError as error:
            raise StoreError(
                f"{path}: not a record of format {FORMAT} ({str(error).splitlines()[0]}); "
                "move the file away and run the study again to make it anew"
            ) from None

    def keys(self) -> list[str]:
        return sorted(path.stem for path in self._folder.trials.glob("*.json"))

    def records(self) -> Iterator[Record]:
        for key in self.keys():
            record = self.read(key)
            if record is not None:
                yield record


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


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file (text as UTF-8) so that a reader sees the old one or the new one, never a part.

    Raises:
        StoreError: the folder cannot be written (permission, disk full).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); choose another --root"
        ) from None


def read_json(path: Path) -> Any:
    """Plain data of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
