"""What must be known of the backbones before a study starts, found out beside other checks.

A driver never imports torch for it: a process that lives as long as the study should stay small.
So another process looks, or this one where it runs the trials itself. What was found is kept below
the root folder, by settings, versions, and name, size and times of the weights' file.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from moleflow import errors
from moleflow.config import Config
from moleflow.config_parts import BackboneConfig
from moleflow.errors import ConfigError, MoleflowError, WeightsError
from moleflow.settings import Settings
from orchestration.records.layout import Root
from orchestration.records.notes import SETTLED, keep_note, kept_note, place_of_note
from orchestration.studies.terms import Resources
from orchestration.studies.trial_keys import digest

STDOUT, STDERR = 1, 2
CHECKS_VERSION = 1
LIBRARIES = ("torch", "timm", "torchvision")
HERE = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path[:] = json.loads(sys.argv[1])
from orchestration.driver.preflight import answer
answer(sys.argv[2])
"""
"""Ctrl-C reaches the whole process group: whoever asked ends this process."""

Identities: TypeAlias = Mapping[BackboneConfig, str]
"""Identity of the weights of each backbone, wherever their files lie."""
Check: TypeAlias = Callable[[], Identities]
"""Waits for what a check finds.

Raises:
    WeightsError: unknown model or stage; weights missing, unreadable, or incomplete.
    ConfigError: a ViT whose patches do not fit the images.
"""


class Query(Settings):
    """A backbone, and the side of the images that it must take."""

    backbone: BackboneConfig
    size: int


class Answer(Settings):
    """Identity of its weights, or the error that speaks against it."""

    weights: str = ""
    error: str = ""
    message: str = ""


def check_precision(configs: Sequence[Config], resources: Resources) -> None:
    """Raises:
    ConfigError: trials would run on processors, which do not multiply as a config asks.
    """
    on_processors = resources.gpus_per_trial == 0 or resources.device == "cpu"
    for part in ("compute", "backbone") if on_processors else ():
        if any(getattr(config, part).precision == "tf32" for config in configs):
            raise ConfigError(
                f"{part}.precision: tf32 is how GPUs multiply, and trials would run on processors; "
                f"use --gpus-per-trial 1, or --set {part}.precision=float32"
            )


def check_models(configs: Sequence[Config]) -> None:
    """At once, what a process of its own would find after seconds, and after all pictures.

    Raises:
        WeightsError: there is no such backbone.
    """
    from moleflow.features.model_names import check_model

    for name in dict.fromkeys(config.backbone.name for config in configs):
        check_model(name)


@contextmanager
def checking_beside(
    configs: Sequence[Config], root: Root, *, keep: bool = True
) -> Generator[Check]:
    """The check runs in a process of its own while the block does other things.

    Args:
        keep: whether what is found is kept below the root folder.
    """
    asked, known = _asked(configs), _kept(configs, root)
    left = [one for one in asked if one not in known]
    if not left:
        yield lambda: _identities(known)
        return
    command = [sys.executable, "-P", "-c", HERE, json.dumps(sys.path)]
    command.append(json.dumps([one.model_dump(mode="json") for one in left]))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            yield lambda: _identities(known | _heard(process, left, root if keep else None))
        finally:
            process.kill()


@contextmanager
def checking_here(configs: Sequence[Config], root: Root) -> Generator[Check]:
    """The check runs in this process, when its answer is asked for."""
    known = _kept(configs, root)
    left = [one for one in _asked(configs) if one not in known]
    yield lambda: _identities(known | _keep({one: look_at(one) for one in left}, root))


def answer(asked: str) -> None:
    """What the process of `checking_beside` does: a line of JSON for each backbone, then its end.

    Whatever else is printed goes to the terminal's other stream.
    """
    with os.fdopen(os.dup(STDOUT), "w", encoding="utf-8") as answers:
        os.dup2(STDERR, STDOUT)
        for one in json.loads(asked):
            found = look_at(Query.model_validate_json(json.dumps(one)))
            answers.write(found.model_dump_json() + "\n")


def look_at(asked: Query) -> Answer:
    """Build a backbone. Imports torch and timm."""
    from moleflow.features.backbone import load_backbone, weights_identity

    try:
        load_backbone(asked.backbone).check_size(asked.size)
        return Answer(weights=weights_identity(asked.backbone))
    except MoleflowError as error:
        return Answer(error=type(error).__name__, message=str(error))


def _asked(configs: Sequence[Config]) -> list[Query]:
    asked = [Query(backbone=c.backbone, size=c.image.size) for c in configs]
    return list(dict.fromkeys(asked))


def _answers(process: "subprocess.Popen[bytes]", left: Sequence[Query]) -> dict[Query, Answer]:
    said, _ = process.communicate()
    lines = said.splitlines()
    if process.returncode != 0 or len(lines) != len(left):
        raise WeightsError(
            f"the check of the backbone {left[-1].backbone.name} ended by itself (exit code "
            f"{process.returncode}); what it said is above; a lack of memory ends it silently (-9)"
        )
    return dict(zip(left, map(Answer.model_validate_json, lines), strict=True))


def _heard(
    process: "subprocess.Popen[bytes]", left: Sequence[Query], root: Root | None
) -> dict[Query, Answer]:
    """Answers, kept below a root folder where one is given."""
    found = _answers(process, left)
    return found if root is None else _keep(found, root)


def _identities(found: Mapping[Query, Answer]) -> Identities:
    for one in found.values():
        if one.error:
            raise getattr(errors, one.error)(one.message)
    return {asked.backbone: one.weights for asked, one in found.items()}


def _kept(configs: Sequence[Config], root: Root) -> dict[Query, Answer]:
    """What earlier checks found and is still sure to hold."""
    known: dict[Query, Answer] = {}
    for asked in _asked(configs):
        note = _note(asked, root)
        found = None if note is None else kept_note(note, Answer)
        if found is not None:
            known[asked] = found
    return known


def _keep(found: Mapping[Query, Answer], root: Root) -> dict[Query, Answer]:
    for asked, one in found.items():
        note = None if one.error else _note(asked, root)
        if note is not None:
            keep_note(note, one)
    return dict(found)


def _note(asked: Query, root: Root) -> Path | None:
    """Where a verdict is kept; nowhere for weights that lie in a cache of timm's, which may be
    emptied, and for a file that has just been written."""
    weights, file = asked.backbone.weights, ()
    if weights == "pretrained":
        return None
    if weights != "random":
        try:
            status = Path(weights).stat()
        except OSError:
            return None
        times = (status.st_mtime_ns, status.st_ctime_ns)
        if time.time() - max(times) / 1e9 < SETTLED:
            return None
        file = (str(Path(weights).resolve()), status.st_size, status.st_ino, *times)
    versions = [CHECKS_VERSION, *map(version, LIBRARIES)]
    tree = {"versions": versions, "asked": asked.model_dump(mode="json"), "file": file}
    return place_of_note(f"backbone-{digest(tree)}", root)
