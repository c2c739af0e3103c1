"""What an attempt at a trial works with. Whoever makes it decides where results and events go."""

import platform
from collections.abc import Callable
from dataclasses import dataclass

import torch

from moleflow.device import prepare
from moleflow.errors import DeviceError
from orchestration.records.events import Event
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.provenance import device_kind
from orchestration.sharing.certificate import holds_on
from orchestration.sharing.groups import group_id
from orchestration.sharing.keys import StageKeys
from orchestration.sharing.roles import keys_in_role
from orchestration.store.lease import Leases
from orchestration.store.stage_store import StageStore
from orchestration.store.store import open_store
from orchestration.studies.expansion import Trial
from orchestration.studies.terms import Resources, Role, Terms
from orchestration.trial.attempt_log import AttemptLog


@dataclass(frozen=True)
class TrialContext:
    """A trial, and the machine and store that it meets."""

    trial: Trial
    terms: Terms
    role: Role
    """That the trial has on this machine; `terms` has the one it was given."""
    device: torch.device
    keys: StageKeys
    stage_store: StageStore
    log: AttemptLog

    @property
    def at_once(self) -> int:
        """Most tasks to be trained side by side. A witness trains them one after the other: what it
        is compared with then had other company, and other tasks before it."""
        return 1 if self.role == "witness" else self.terms.resources.tasks_at_once


def open_context(
    trial: Trial, root: Root, terms: Terms, tell: Callable[[Event], None]
) -> tuple[TrialContext, Leases]:
    """On this machine, with results in the store and leases below the root folder.

    Args:
        tell: told every event.

    Raises:
        DeviceError: the trial was given a GPU, and torch sees none.
    """
    log, device = AttemptLog(tell), prepare_torch(terms.resources)
    kind, threads = device_kind(device), torch.get_num_threads()
    role = _role_on(kind, threads, trial, root.study(trial.study), terms.role)
    leases = Leases(root.leases, trial.key, warn=log.note)
    stage_store = StageStore(open_store(terms.store, root, log.note), leases, log.waits)
    keys = keys_in_role(trial, role, kind, threads)
    return TrialContext(trial, terms, role, device, keys, stage_store, log), leases


def _role_on(kind: str, threads: int, trial: Trial, folder: StudyFolder, given: Role) -> Role:
    """A derived trial trains apart where no certificate speaks of this kind of machine."""
    if given == "derived" and not holds_on(folder, group_id(trial), kind, threads):
        return "witness"
    return given


def prepare_torch(resources: Resources) -> torch.device:
    """Threads equal to the trial's CPUs, deterministic algorithms, its share of a GPU's memory.

    Raises:
        DeviceError: the trial was given a GPU, and torch sees none. Never another device instead.
    """
    if resources.gpus_per_trial == 0 or resources.device == "cpu":
        return prepare(torch.device("cpu"), resources.threads)
    if not torch.cuda.is_available():
        raise DeviceError(
            f"{platform.node()}: a trial was given {resources.gpus_per_trial:g} GPUs, and torch "
            "sees none there; install a build of torch with CUDA on that node (`moleflow doctor` "
            "says more), or run on processors: --gpus-per-trial 0"
        )
    if resources.gpus_per_trial < 1:
        # torch leaves `fraction` without a type.
        torch.cuda.set_per_process_memory_fraction(  # pyright: ignore[reportUnknownMemberType]
            resources.gpus_per_trial
        )
    return prepare(torch.device("cuda"), resources.threads)
