"""Who made what lies in the store, when and where."""

import platform
from pathlib import Path

import torch

from moleflow.settings import Settings
from orchestration.records.ledger import StageSource
from orchestration.records.provenance import device_kind, versions
from orchestration.studies.expansion import Trial
from orchestration.studies.terms import Terms

MADE = "made.json"


class Origin(Settings):
    """Beside every result: the trial that computed it, and its machine."""

    trial: str
    study: str
    seconds: float
    """How long computing it took; a second in which n tasks were trained at once counts 1/n."""
    at_once: int = 1
    """Most tasks that the trial trained at once meanwhile."""
    device: str
    threads: int
    host: str
    git: str
    versions: dict[str, str]

    def write(self, folder: Path) -> None:
        """Put it into an entry of the store."""
        (folder / MADE).write_text(self.model_dump_json(indent=1), encoding="utf-8")


def origin(
    trial: Trial, terms: Terms, device: torch.device, seconds: float, at_once: int = 1
) -> Origin:
    """Of a result that this process has just computed."""
    return Origin(
        trial=trial.key,
        study=trial.study,
        seconds=round(seconds, 3),
        at_once=at_once,
        device=device_kind(device),
        threads=torch.get_num_threads(),
        host=platform.node(),
        git=terms.revision,
        versions=versions(),
    )


def read_origin(folder: Path) -> Origin | None:
    """None where the entry does not say: `moleflow train` makes features too."""
    path = folder / MADE
    if not path.exists():
        return None
    return Origin.model_validate_json(path.read_text(encoding="utf-8"))


def source_of(trial: Trial, kind: str, key: str, folder: Path, made: bool) -> StageSource:
    """Where the result of a trial's stage comes from.

    Args:
        folder: the entry of the store.
        made: whether this attempt has just made it.
    """
    known = read_origin(folder)
    own = known is not None and known.trial == trial.key
    return StageSource(
        kind=kind,
        key=key,
        source="made" if made else "resumed" if own else "shared",
        **({} if known is None else known.model_dump(exclude={"versions"})),
    )
