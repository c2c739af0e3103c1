"""Kinds of faults, and schedules of them drawn by seed.

A fault comes to pass at the n-th occurrence of an operation in a process of some role; the one
after it is armed then. So the first k faults of a schedule do the same alone as in all of it.
"""

import errno
import random
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from orchestration.store.lease import PATIENCE

OPERATIONS = {
    "file operation": 300,
    "rename": 60,
    "store publish": 18,
    "checkpoint": 6,
    "store read": 60,
    "lease taken": 15,
    "lease renewed": 2,
    "record written": 2,
    "event appended": 40,
    "plan written": 1,
    "certificate written": 1,
    "table written": 1,
    "model saved": 2,
    "tracker call": 12,
}
"""What faults wait for, and how many of each one process of a study comes to, about."""
TAIL = 2.5
"""Early occurrences are drawn more often: a study that was resumed has fewer left."""

STUDY, TRIAL = r"studies/[^/]+/", r"studies/[^/]+/trials/[^/]+"
FILES = {
    "result": r"store/(?!checked)[^/]+/[^/]+/[^/]+/[^/]+",
    "record": rf"{TRIAL}\.json",
    "events": rf"{TRIAL}/events\.jsonl",
    "plan": rf"{STUDY}study\.json",
    "certificate": rf"{STUDY}certificates/[^/]+",
    "table": rf"{STUDY}results\.parquet",
    "lease": r"leases/[^/]+",
    "model": rf"{TRIAL}/model/[^/]+",
    "artifact": rf"{TRIAL}/artifacts/[^/]+",
    "tracking": r"mlflow\.db",
    "small": rf"root\.json|owner|store/checked/.+|{TRIAL}/(trial|worker)\.json|{STUDY}driver\.json",
}
"""Which files of a root folder may be damaged."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    `act` is what happens in the process that comes to the operation; `others` waits for what the
    nemesis does from without, named by `wanted`.
    """

    act: str
    role: str = "driver"
    wanted: str = ""
    operations: tuple[str, ...] = tuple(OPERATIONS)
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


def _net(wanted: str, operations: tuple[str, ...] = ("tracker call",)) -> Kind:
    return Kind("others", "driver", wanted, operations, {"seconds": (1.0, 8.0)})


def _damaged(how: str) -> Kind:
    """SQLite has no checksums: that a bit of MLflow's database is another one is not promised to be
    seen."""
    files = tuple(v for name, v in FILES.items() if (how, name) != ("flipped", "tracking"))
    return Kind("damage", settings={"how": how, "files": files})


BEYOND = (PATIENCE + 1.0, PATIENCE + 3.0)
"""Seconds of a pause: others take its leases for dead."""
LONG = (10.0, 80.0)
"""Seconds of a pause of Ray's own processes, of which others think for a minute that they live."""
AT_WORK = ("event appended", "store publish", "lease taken", "store read", "file operation")
"""Operations of processes that run trials."""
DRIVING = ("file operation", "rename", "lease renewed", "plan written", "tracker call")
"""Operations of a driver whose trials run elsewhere."""
DISK: dict[str, Kind] = {
    "disk full": Kind("full", wanted="room", settings={"seconds": (1.0, 6.0)}),
    "input/output error": Kind(
        "error", settings={"errno": (errno.EIO, errno.ESTALE), "times": (1, 2, 3)}
    ),
    "files are slow": Kind("slow", settings={"delay": (0.01, 0.05), "seconds": (3.0, 6.0)}),
    "file truncated": _damaged("truncated"),
    "file flipped": _damaged("flipped"),
    "file vanished": _damaged("vanished"),
    "power lost": Kind("others", wanted="power lost"),
}
PROCESS: dict[str, Kind] = {
    "driver killed": Kind("signal", settings={"signal": signal.SIGKILL}),
    "driver interrupted": Kind("signal", settings={"signal": signal.SIGINT}),
    "driver terminated": Kind("signal", settings={"signal": signal.SIGTERM}),
    "driver paused": Kind(
        "signal", wanted="continue", settings={"signal": signal.SIGSTOP, "seconds": BEYOND}
    ),
    "all processes killed": Kind("others", wanted="all killed"),
}
CLOCK: dict[str, Kind] = {
    "clock ahead": Kind("clock", settings={"ahead": (3600, 86400, 400 * 86400)}),
    "clock behind": Kind("clock", settings={"ahead": (-3600, -86400)}),
}
WORKERS: dict[str, Kind] = {
    "worker killed": Kind("signal", "worker", "", AT_WORK, {"signal": signal.SIGKILL}),
    "worker paused": Kind(
        "signal", "worker", "continue", AT_WORK, {"signal": signal.SIGSTOP, "seconds": BEYOND}
    ),
    "all workers killed": Kind("others", "worker", "workers killed", AT_WORK),
    "raylet killed": Kind("others", "worker", "raylet killed", AT_WORK),
    "GCS killed": Kind("others", "worker", "GCS killed", AT_WORK),
    "raylet paused": Kind("others", "worker", "raylet paused", AT_WORK, {"seconds": LONG}),
    "GCS paused": Kind("others", "worker", "GCS paused", AT_WORK, {"seconds": LONG}),
    "disk full": replace(DISK["disk full"], role="worker", operations=AT_WORK),
    "clock of a worker": Kind("clock", "worker", "", AT_WORK, {"ahead": (-86400, 86400)}),
}
USURPED: dict[str, Kind] = {
    "driver paused, another takes over": Kind(
        "signal", wanted="take over", settings={"signal": signal.SIGSTOP, "seconds": (7.0, 18.0)}
    ),
}
"""The same command is given on another machine, while the first seems dead: both then go on."""
NODES: dict[str, Kind] = {
    "node killed": Kind("others", "worker", "node killed", AT_WORK),
    "two nodes killed": Kind("others", "worker", "nodes killed", AT_WORK),
    "node paused": Kind("others", "worker", "node paused", AT_WORK, {"seconds": LONG}),
}
TRACKER: dict[str, Kind] = {
    f"tracker {what}": _net(f"tracker {what}")
    for what in ("refuses", "stalls", "resets", "answers half", "delays")
}
STORE_CALLS = ("store publish", "store read", "event appended")
BUCKET: dict[str, Kind] = {
    f"bucket {what}": _net(f"bucket {what}", STORE_CALLS)
    for what in ("refuses", "stalls", "resets", "answers half", "delays")
}

SETTINGS: dict[str, dict[str, Kind]] = {
    "inline": DISK | PROCESS | CLOCK,
    "rivals": {
        name: PROCESS[name] for name in ("driver killed", "driver paused", "driver interrupted")
    },
    "ray": WORKERS
    | {
        name: replace(PROCESS[name], operations=DRIVING)
        for name in ("driver killed", "all processes killed", "driver paused")
    },
    "usurped": USURPED | {"driver killed": PROCESS["driver killed"]},
    "nodes": NODES,
    "tracker": TRACKER | {"driver killed": PROCESS["driver killed"]},
    "bucket": BUCKET | {"driver killed": PROCESS["driver killed"]},
}
"""By what is running: one process without Ray; two such that share stages; Ray on this machine; two
of one study; a cluster of three nodes; a tracking server; a store in a bucket."""
KINDS: dict[str, Kind] = {name: kind for kinds in SETTINGS.values() for name, kind in kinds.items()}


@dataclass(frozen=True)
class Fault:
    """One fault, with all that was drawn of it."""

    name: str
    act: str
    wanted: str
    role: str
    operation: str
    nth: int
    after: bool
    seed: int
    details: Mapping[str, Any]

    @property
    def seconds(self) -> float:
        return float(self.details.get("seconds", 0.0))

    def told(self) -> dict[str, Any]:
        """For the shim."""
        fields = asdict(self)
        return {**fields, **fields.pop("details")}

    def __str__(self) -> str:
        moment = "after" if self.after else "before"
        drawn = {n: v for n, v in self.details.items() if n not in ("signal",)}
        more = "".join(f", {name} {_said(value)}" for name, value in drawn.items())
        return f"{self.name}, {moment} {self.operation} {self.nth} of a {self.role}{more}"


def _said(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def draw(setting: str, seed: int) -> list[Fault]:
    """The schedule of a seed: up to three faults. The kinds take turns to be the first."""
    draws = random.Random(f"{setting} {seed}")
    kinds = SETTINGS[setting]
    names = [[*kinds][seed % len(kinds)]]
    names += draws.choices([*kinds], k=draws.choice((0, 1, 1, 2)))
    return [_fault(name, kinds[name], draws) for name in names]


def _fault(name: str, kind: Kind, draws: random.Random) -> Fault:
    operation = draws.choice(kind.operations)
    nth = 1 + int(OPERATIONS[operation] * draws.random() ** TAIL)
    details = {n: _drawn(value, draws) for n, value in kind.settings.items()}
    after, seed = draws.random() < 0.5, draws.randrange(2**32)
    return Fault(name, kind.act, kind.wanted, kind.role, operation, nth, after, seed, details)


def _drawn(value: Any, draws: random.Random) -> Any:
    """One of a list; a number between two that have a point; anything else as it is."""
    if not isinstance(value, tuple):
        return value
    if all(isinstance(one, float) for one in value):
        return draws.uniform(*value)
    return draws.choice(value)
