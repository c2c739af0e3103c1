"""Where things lie below the root folder (docs/design.md: root folder). Knows their names."""

import json
import re
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from moleflow.errors import StoreError, StudyError
from moleflow.files import is_text, read_regular, replace_file, shown
from moleflow.sealed import unsealed
from orchestration.studies.versions import ROOT_FORMAT

FORMAT_FILE = "root.json"
SEALED_WITHOUT = 3
"""The one format in which plans were sealed and did not say their format."""
FORMAT = re.compile(rb'\{\s*"format": (\d{1,9}),')
"""How a plan begins."""


@dataclass(frozen=True)
class Root:
    """The folder that the user names with --root; always absolute. Nothing is written outside."""

    path: Path

    @classmethod
    def at(cls, path: str | Path) -> "Root":
        return cls(Path(path).expanduser().resolve())

    def command(self, *words: str) -> str:
        """A command of ours about this folder, as it is typed."""
        return shlex.join(["moleflow", *words, "--root", str(self.path)])

    def check_format(self) -> None:
        """Raises:
        StoreError: the folder was written by a version of moleflow that keeps things otherwise, or
            its name is no text.
        """
        if not is_text(str(self.path)):
            raise StoreError(
                f"--root {shown(self.path)}: is no UTF-8, so it cannot be written down; rename it, "
                "or choose another folder"
            )
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"--root {self.path}: is no folder; name another one")
        found = _format_of(self.path)
        if found not in (None, ROOT_FORMAT):
            raise StoreError(
                f"--root {self.path}: is of format {found}, this moleflow reads {ROOT_FORMAT}; "
                "choose another --root, or go on with the version that wrote it (nothing in it "
                "was changed)"
            )

    def claim(self) -> None:
        """Make the folder, and say in it which format it has.

        Raises:
            StoreError: another format, or the folder cannot be made or written.
        """
        self.check_format()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            replace_file(self.path / FORMAT_FILE, f'{{"format": {ROOT_FORMAT}}}\n'.encode())
        except OSError as error:
            raise StoreError(
                f"--root {self.path}: cannot be written ({error.strerror}); choose another folder"
            ) from None

    @property
    def store(self) -> Path:
        """Results of stages, shared by all studies."""
        return self.path / "store"

    @property
    def checked(self) -> Path:
        """What checking pictures and backbones would find again (`orchestration.records.notes`)."""
        return self.store / "checked"

    @property
    def synthetic(self) -> Path:
        """Pictures that a study makes itself."""
        return self.path / "synthetic"

    @property
    def leases(self) -> Path:
        """Claims of trials on stages, and of drivers on studies (`orchestration.store.lease`)."""
        return self.path / "leases"

    @property
    def cache(self) -> Path:
        """Copies of entries of a store that is not a folder."""
        return self.path / "cache"

    @property
    def crashes(self) -> Path:
        """Tracebacks of commands that ended by a defect."""
        return self.path / "crashes"

    @property
    def index(self) -> Path:
        """The page of all studies."""
        return self.path / "index"

    @property
    def owner(self) -> Path:
        """Whose the runs are that it makes in a tracking store (`tracking/mlflow/owner.py`)."""
        return self.path / "owner"

    @property
    def mlflow_db(self) -> Path:
        return self.path / "mlflow.db"

    @property
    def mlflow_artifacts(self) -> Path:
        return self.path / "mlartifacts"

    @property
    def models(self) -> Path:
        """Sequences trained outside of a study, by key."""
        return self.path / "models"

    def study(self, name: str) -> "StudyFolder":
        return StudyFolder(self.path / "studies" / name)

    def study_names(self) -> list[str]:
        """Studies of which something is on disk."""
        return sorted(file.parent.name for file in (self.path / "studies").glob("*/study.json"))


def _format_of(path: Path) -> object:
    """None for a folder that holds nothing of ours; 1 is what had no file to say so.

    The file only says what the plans of studies show too: where it is damaged, they tell.
    """
    plans = list((path / "studies").glob("*/study.json"))
    try:
        return json.loads(read_regular(path / FORMAT_FILE, most=1000))["format"]
    except FileNotFoundError:
        unknown = 1 if plans else None
    except (OSError, ValueError, KeyError, TypeError):
        unknown = f"unknown ({FORMAT_FILE} cannot be read)" if plans else None
    return next((found for plan in plans if (found := _format_of_plan(plan))), unknown)


def _format_of_plan(plan: Path) -> int | None:
    """None of one that is damaged, or of a version that did not seal plans."""
    with suppress(OSError, ValueError):
        head = FORMAT.match(unsealed(read_regular(plan)))
        return int(head[1]) if head else SEALED_WITHOUT
    return None


@dataclass(frozen=True)
class StudyFolder:
    """`studies/<study>/` of a root folder."""

    path: Path

    @property
    def root(self) -> Root:
        return Root(self.path.parents[1])

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def asked(self) -> Path:
        """What was asked, resolved (`orchestration.studies.expansion.Plan` as JSON)."""
        return self.path / "study.json"

    @property
    def forecasts(self) -> Path:
        """What runs were expected to take (`orchestration.records.forecasts`)."""
        return self.path / "forecasts.jsonl"

    @property
    def results(self) -> Path:
        """The tidy table of all numbers."""
        return self.path / "results.parquet"

    @property
    def report(self) -> Path:
        return self.path / "report"

    @property
    def answer(self) -> Path:
        """What the study's reports say at their heads, as a terminal shows it."""
        return self.path / "answer.txt"

    @property
    def code(self) -> Path:
        """What of the code it ran with was never committed (`records.revision`)."""
        return self.path / "code"

    @property
    def driver(self) -> Path:
        """Which process drives this study, while one does."""
        return self.path / "driver.json"

    @property
    def stop(self) -> Path:
        """Asks the driver of this study to end it."""
        return self.path / "stop"

    @property
    def trials(self) -> Path:
        return self.path / "trials"

    @property
    def waves(self) -> Path:
        """What Ray Tune keeps while trials run; never read again."""
        return self.path / "waves"

    @property
    def certificates(self) -> Path:
        """What was compared to show that orders cannot matter (`sharing.certificate`)."""
        return self.path / "certificates"

    @property
    def proposals(self) -> Path:
        """What searches of this study have proposed, by search (`records.proposals`)."""
        return self.path / "proposals"

    def rung(self, group: str, tasks: int) -> Path:
        """Trials of a search that had learned so many tasks (`records.rungs`)."""
        return self.path / "rungs" / f"{group}-{tasks}"

    @property
    def misfits(self) -> Path:
        """What stood in the place of a record and was none."""
        return self.path / "misfits"

    def record(self, key: str) -> Path:
        """The ledger's immutable record of a finished trial."""
        return self.trials / f"{key}.json"

    def trial(self, key: str) -> Path:
        """What a trial writes beside its record: events and artifacts."""
        return self.trials / key

    def asked_of(self, key: str) -> Path:
        """The trial itself (`studies.expansion.Trial` as JSON), for the worker that runs it."""
        return self.trial(key) / "trial.json"

    def worker(self, key: str) -> Path:
        """Which process runs the trial's present attempt, or ran its last one."""
        return self.trial(key) / "worker.json"

    def verdict(self, key: str) -> Path:
        """Why the driver ended a worker of this trial."""
        return self.trial(key) / "ended.txt"

    def log(self, key: str) -> Path:
        """What the trial's processes printed and logged, attempt after attempt."""
        return self.trial(key) / "log.txt"

    def events(self, key: str) -> Path:
        return self.trial(key) / "events.jsonl"

    def model(self, key: str) -> Path:
        """The trained sequence of a finished trial (`moleflow.saved`)."""
        return self.trial(key) / "model"

    def analyses(self, key: str) -> Path:
        """Tables, figures and page of a finished trial's analyses."""
        return self.path / "analyses" / key

    def artifacts(self, key: str) -> Path:
        return self.trial(key) / "artifacts"


def not_one_trial(asked: str, found: Sequence[tuple[str, str]]) -> StudyError:
    """That what was asked for names several trials, and how to name one.

    Args:
        found: study and key of each.
    """
    if len({key for _, key in found}) == 1:
        choices = " or ".join(f"{study}/{key}" for study, key in found)
        return StudyError(
            f"{asked!r} is a trial of {len(found)} studies; name its study: {choices}"
        )
    examples = ", ".join(f"{study}/{key[:12]}" for study, key in found[:5])
    return StudyError(f"{asked!r} begins {len(found)} trials ({examples}); give more letters")
