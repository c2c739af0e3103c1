"""What tests put below the file operations of a process: it counts them, and strikes at one.

The folder that NEMESIS names holds `schedule.json`: the root folder, and faults in their order. A
fault is armed when the one before it has come to pass; from then on, or from its start, a process
counts the operations that the fault waits for, and at the n-th it strikes. What it did is in
`fired-<i>`; where others must act (ending other processes, cutting the network), it waits for
`acted-<i>`. Every operation leaves a line in `trace/<pid>`.

Needs the standard library alone, and is no part of the product.
"""

import builtins
import errno
import importlib.abc
import importlib.util
import io
import json
import os
import random
import re
import sys
import threading
import time

PATIENCE = 60.0
"""Seconds that a process waits for what others have to do."""
TORN = re.compile(r"\.[0-9a-f]{32}")
BEFORE, AFTER = 0, 1
BOOT, MACHINE = "/proc/sys/kernel/random/boot_id", "NEMESIS_MACHINE"
"""What tells machines apart, and what a process that plays another one is told it by."""
real_open, real_time, real_time_ns = io.open, time.time, time.time_ns


def operations(call, path):
    """What a file call is, in the words of the schedule.

    Args:
        call: `rename`, `link`, `utime`, `append`, `write`, `read`, …
        path: below the root folder; of a rename, the new one.
    """
    parts = path.split("/")
    if parts[0] == "cache":  # copies of a store that is no folder
        parts = ["store", *parts[2:]]
    found = {"file operation"}
    if call != "read":
        found.add("write")
    if call in ("rename", "mkdir"):
        found.add("rename" if call == "rename" else "folder made")
    if parts[0] == "leases":
        found |= {"link": {"lease taken"}, "utime": {"lease renewed"}}.get(call, set())
    if parts[0] == "store" and len(parts) == 4 and call == "rename" and parts[3][:1] != ".":
        found.add("store publish")
        if parts[1] in ("base", "adapter"):
            found.add("checkpoint")
    if parts[0] == "store" and call == "read":
        found.add("store read")
    if parts[0] == "studies" and call == "rename":
        found |= renamed(parts[2:])
    if parts[-1] == "events.jsonl" and call == "append":
        found.add("event appended")
    return found


def renamed(parts):
    """Of a file of a study that has got its name."""
    if parts == ["study.json"]:
        return {"plan written"}
    if parts == ["results.parquet"]:
        return {"table written"}
    if parts[0] == "certificates":
        return {"certificate written"}
    if parts[0] == "trials" and len(parts) == 2 and parts[1].endswith(".json"):
        return {"record written"}
    if parts[0] == "trials" and parts[-1] == "model":
        return {"model saved"}
    return set()


class Shim:
    """Of one process, and those that it forks."""

    def __init__(self, state, role):
        with real_open(f"{state}/schedule.json") as file:
            told = json.load(file)
        self.state, self.root, self.faults = state, told["root"], told["faults"]
        self.filler = told["filler"]
        self.role = role
        self.own = threading.local()
        self.lock = threading.Lock()
        self.armed = self.count = self.ahead = self.failures = 0
        self.slow, self.slow_until = 0.0, 0.0
        self.errno = 0
        self.unsafe = {}
        self.pid = self.trace = None

    def below(self, path):
        """A path below the root folder, or None."""
        if isinstance(path, int):
            try:
                path = os.readlink(f"/proc/self/fd/{path}")
            except OSError:
                return None
        if not isinstance(path, str):
            path = os.fspath(path)
        if isinstance(path, bytes):
            return None
        path = path if path[:1] == "/" else os.path.abspath(path)
        return path[len(self.root) + 1 :] if path.startswith(self.root + "/") else None

    def guarded(self, call, kind, path_at, run, arguments, options):
        """A file operation, and what is to happen before and after it."""
        if getattr(self.own, "inside", False):
            return run(*arguments, **options)
        self.own.inside = True
        try:
            path = self.below(arguments[path_at]) if len(arguments) > path_at else None
            if path is None:
                return run(*arguments, **options)
            self.hinder()
            due = self.met(operations(kind, path), path)
            self.strike(due, BEFORE)
            if self.failures > 0:
                self.failures -= 1
                raise OSError(self.errno, os.strerror(self.errno), arguments[path_at])
            result = run(*arguments, **options)
            self.remember(call, path, arguments)
            self.strike(due, AFTER)
            return result
        finally:
            self.own.inside = False

    def met(self, found, path):
        """The fault that is due at an operation."""
        with self.lock:
            while self.armed < len(self.faults) and self.over(self.armed):
                self.armed, self.count = self.armed + 1, 0
            self.note(found, path)
            if self.armed == len(self.faults):
                return None
            fault = self.faults[self.armed]
            if fault["operation"] not in found or fault["role"] not in (self.role, "any"):
                return None
            self.count += 1
            return self.armed if self.count >= fault["nth"] else None

    def over(self, number):
        return os.path.lexists(f"{self.state}/fired-{number}")

    def note(self, found, path):
        if self.pid != os.getpid():
            self.pid = os.getpid()
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self.trace = os.open(f"{self.state}/trace/{self.pid}", flags, 0o666)
        size = 0
        if "event appended" in found:
            try:
                size = os.stat(f"{self.root}/{path}").st_size
            except OSError:
                size = 0
        line = [time.monotonic(), self.role, sorted(found), path, size]
        os.write(self.trace, json.dumps(line).encode() + b"\n")

    def strike(self, number, moment):
        if number is None or self.faults[number]["after"] != bool(moment):
            return
        fault = self.faults[number]
        target = self.target(fault) if fault["act"] == "damage" else ""
        if target is None:
            return  # there is no such file yet: at the next operation
        told = {
            "target": target,
            "at": time.monotonic(),
            "pid": os.getpid(),
            "unsafe": sorted(self.unsafe),
        }
        aside = f"{self.state}/.fired-{number}-{os.getpid()}-{threading.get_ident()}"
        with real_open(aside, "w") as file:
            json.dump(told, file)
        try:
            os.link(aside, f"{self.state}/fired-{number}")
        except FileExistsError:
            return  # another process was faster
        finally:
            os.unlink(aside)
        getattr(self, f"act_{fault['act']}")(fault, number)

    def act_signal(self, fault, number):
        os.kill(os.getpid(), fault["signal"])

    def act_others(self, fault, number):
        """Something that another process has to do."""
        deadline = time.monotonic() + PATIENCE
        while not os.path.lexists(f"{self.state}/acted-{number}") and time.monotonic() < deadline:
            time.sleep(0.01)

    def act_clock(self, fault, number):
        self.ahead = fault["ahead"]

    def act_slow(self, fault, number):
        self.slow, self.slow_until = fault["delay"], time.monotonic() + fault["seconds"]

    def act_error(self, fault, number):
        self.errno, self.failures = fault["errno"], fault["times"]

    def act_full(self, fault, number):
        """Another process makes room again."""
        with real_open(self.filler, "wb", buffering=0) as file:
            size = 2**20
            while size:
                try:
                    file.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2

    def act_damage(self, fault, number):
        """A file of the root folder."""
        draws = random.Random(fault["seed"])
        damage(f"{self.root}/{self.target(fault)}", fault["how"], draws)

    def target(self, fault):
        """The file that is damaged, one of a kind that is there; None: there is none."""
        pattern = re.compile(fault["files"])
        found = sorted(
            path for path in self.walk() if pattern.fullmatch(path) and not TORN.search(path)
        )
        return random.Random(fault["seed"]).choice(found) if found else None

    def walk(self):
        for folder, _, names in os.walk(self.root):
            for name in names:
                yield f"{folder}/{name}"[len(self.root) + 1 :]

    def hinder(self):
        if self.slow_until and time.monotonic() < self.slow_until:
            time.sleep(self.slow)

    def remember(self, call, path, arguments):
        """Which files have content that no fsync has made safe."""
        if call == "open" and any(letter in written_mode(arguments) for letter in "wax+"):
            self.unsafe[path] = True
        elif call == "fsync":
            self.unsafe.pop(path, None)
        elif call in ("rename", "link"):
            old = self.below(arguments[0])
            for name in [n for n in self.unsafe if old and (n == old or n.startswith(old + "/"))]:
                self.unsafe[path + name[len(old) :]] = True
                if call == "rename":
                    del self.unsafe[name]
        elif call == "unlink":
            self.unsafe.pop(path, None)


def written_mode(arguments):
    return arguments[1] if len(arguments) > 1 and isinstance(arguments[1], str) else "r"


def damage(path, how, draws):
    if how == "vanished":
        os.unlink(path)
        return
    with real_open(path, "rb") as file:
        content = bytearray(file.read())
    if how == "truncated":
        content = content[: draws.randrange(len(content))] if content else content
    elif content:
        content[draws.randrange(len(content))] ^= 1 << draws.randrange(8)
    with real_open(path, "r+b") as file:
        file.write(content)
        file.truncate()


def role_of(command):
    """Of a process, from its command line."""
    told = " ".join(command)
    if "default_worker.py" in told:
        return "worker"
    return "driver" if "moleflow_start import main" in told else "other"


def install(state, role=""):
    """Put the shim below this process's file operations, its clock and its calls of MLflow."""
    shim = Shim(state, role or role_of(sys.orig_argv))
    for call, kind, place in (
        ("rename", "rename", 1),
        ("replace", "rename", 1),
        ("link", "link", 1),
        ("utime", "utime", 0),
        ("fsync", "fsync", 0),
        ("mkdir", "mkdir", 0),
        ("unlink", "unlink", 0),
        ("remove", "unlink", 0),
    ):
        setattr(os, call, around(shim, kind, kind, place, getattr(os, call)))
    opened, os_opened = io.open, os.open

    def shim_open(*arguments, **options):
        if arguments and str(arguments[0]) == BOOT and MACHINE in os.environ:
            return io.StringIO(os.environ[MACHINE])
        mode = options.get("mode", written_mode(arguments))
        kind = "append" if "a" in mode else "write" if set(mode) & set("wx+") else "read"
        given = (arguments[0], mode, *arguments[2:])
        options.pop("mode", None)
        return shim.guarded("open", kind, 0, opened, given, options)

    def shim_os_open(*arguments, **options):
        flags = arguments[1] if len(arguments) > 1 else options.get("flags", 0)
        if flags & (os.O_WRONLY | os.O_RDWR) or flags & os.O_DIRECTORY:
            return os_opened(*arguments, **options)
        return shim.guarded("os.open", "read", 0, os_opened, arguments, options)

    io.open = builtins.open = shim_open
    os.open = shim_os_open
    time.time = lambda: real_time() + shim.ahead
    time.time_ns = lambda: real_time_ns() + shim.ahead * 10**9
    watch_mlflow(shim)


def around(shim, call, kind, place, run):
    def wrapped(*arguments, **options):
        return shim.guarded(call, kind, place, run, arguments, options)

    return wrapped


def watch_mlflow(shim):
    """Calls of MLflow's client are operations too."""
    name = "mlflow.tracking.client"
    if name in sys.modules:
        wrap_client(shim, sys.modules[name])
        return

    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, wanted, path, target=None):
            if wanted != name:
                return None
            sys.meta_path.remove(self)
            spec = importlib.util.find_spec(wanted)
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                wrap_client(shim, module)

            spec.loader.exec_module = exec_module
            return spec

    sys.meta_path.insert(0, Finder())


def wrap_client(shim, module):
    client = module.MlflowClient
    for name, method in list(vars(client).items()):
        if not name.startswith("_") and callable(method):
            setattr(client, name, tracked(shim, name, method))


def tracked(shim, name, method):
    def wrapped(*arguments, **options):
        if getattr(shim.own, "tracking", False):
            return method(*arguments, **options)
        shim.own.tracking = True
        try:
            due = shim.met({"tracker call"}, name)
            shim.strike(due, BEFORE)
            result = method(*arguments, **options)
            shim.strike(due, AFTER)
            return result
        finally:
            shim.own.tracking = False

    return wrapped
