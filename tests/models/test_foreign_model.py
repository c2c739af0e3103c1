"""A model may come from anywhere: whatever is done to its folder, it is refused in one ModelError.

What changes by accident its checksums show. Here `model.json` is sealed anew after every change, as
somebody would who means it: what is left must still be a model, and small enough.
"""

import hashlib
import json
import os
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from moleflow.config import Config
from moleflow.errors import ModelError
from moleflow.saved import load_model, save_model
from moleflow.sealed import seal
from moleflow.streams import torch_stream
from tests.models.test_saved import trained

pytestmark = pytest.mark.slow

A, B = ("bottle",), ("cable", "carpet")
DATA = {"bottle": "1", "cable": "2", "carpet": "3"}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = Config().updated(
        {
            "patches.dim": 16,
            "flow.blocks": 2,
            "lora.rank": 2,
            "training.epochs": 1,
            "training.warmup_epochs": 0,
        }
    )
    folder = tmp_path_factory.mktemp("foreign") / "model"
    save_model(folder, *trained(config, A, B), "random:0", DATA)
    return folder


@pytest.fixture
def folder(origin: Path, tmp_path: Path) -> Path:
    """A copy whose files may be replaced, not written to."""
    (tmp_path / "model").mkdir()
    for path in origin.iterdir():
        (tmp_path / "model" / path.name).hardlink_to(path)
    return tmp_path / "model"


def tree_of(folder: Path) -> Any:
    tree = json.loads((folder / "model.json").read_text())
    del tree["sha256"]
    return tree


def sealed(folder: Path, tree: Any) -> None:
    (folder / "model.json").unlink()
    (folder / "model.json").write_bytes(seal(json.dumps(tree)))


def change(folder: Path, name: str, alter: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    """Change a file's tensors, and what the manifest says of the file."""
    tensors = load_file(folder / name)
    alter(tensors)
    (folder / name).unlink()
    save_file(tensors, folder / name)
    content, tree = (folder / name).read_bytes(), tree_of(folder)
    said = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    tree["files"][name] = said
    sealed(folder, tree)


def leads_out(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        tree = tree_of(folder)
        (old, known) = next(item for item in tree["files"].items() if item[0].startswith("bank"))
        target = folder / name
        if not target.exists() and "\0" not in name:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((folder / old).read_bytes())
        text = json.dumps(tree).replace(json.dumps(old), json.dumps(name))
        assert known and text != json.dumps(tree)
        sealed(folder, json.loads(text))

    return damage


def in_place_of_a_bank(make: Callable[[Path], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = next(folder.glob("bank-*"))
        path.unlink()
        make(path)

    return damage


def field(path: str, value: Any) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        tree = branch = tree_of(folder)
        *parents, leaf = path.split(".")
        for name in parents:
            branch = branch[int(name) if isinstance(branch, list) else name]
        branch[int(leaf) if isinstance(branch, list) else leaf] = value
        sealed(folder, tree)

    return damage


def tensor(part: str, alter: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    return lambda folder: change(folder, next(folder.glob(f"{part}-*")).name, alter)


def permuted(tensors: dict[str, torch.Tensor]) -> None:
    name = next(name for name in tensors if name.endswith("permutation"))
    tensors[name][0] = 10**6


def big(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


ATTACKS: dict[str, Callable[[Path], None]] = {
    "up": leads_out("../bank.safetensors"),
    "below": leads_out("below/bank.safetensors"),
    "here": leads_out("./bank.safetensors"),
    "nul": leads_out("bank\0.safetensors"),
    "hidden": leads_out(".bank.safetensors"),
    "absolute": field("tasks.0.bank", "/etc/passwd"),
    "zero": field("tasks.0.bank", "/dev/zero"),
    "itself": field("tasks.0.bank", "model.json"),
    "link to a file": in_place_of_a_bank(lambda path: path.symlink_to("/etc/passwd")),
    "link to zero": in_place_of_a_bank(lambda path: path.symlink_to("/dev/zero")),
    "pipe": in_place_of_a_bank(os.mkfifo),
    "folder": in_place_of_a_bank(Path.mkdir),
    "terabyte": in_place_of_a_bank(big),
    "side": field("config.image.size", 10**9),
    "maps": field("config.scoring.size", 10**9),
    "grid": field("grid", [10**6, 10**6]),
    "no grid": field("grid", [0, 4]),
    "channels": field("channels", 10**12),
    "dim": field("config.patches.dim", 4 * 10**9),
    "rank": field("config.lora.rank", 10**12),
    "blocks": field("config.flow.blocks", 64),
    "dia": field("config.dia.blocks", 32),
    "smoothing": field("config.scoring.smoothing", 1e9),
    "neighbourhood": field("config.patches.neighbourhood", 10**9 + 1),
    "multiscale": field("config.multiscale", {"kernel": 3}),
    "separate": field("config.separate", True),
    "film": field("config.adapter", {"kind": "film"}),
    "euclidean": field("config.router.distance", "euclidean"),
    "no task": field("tasks", []),
    "no class": field("tasks.0.classes", []),
    "same class": field("tasks.1.classes", ["bottle"]),
    "alike": field("tasks.0", {"classes": ["cable+carpet"], "data": {"cable+carpet": ""}}),
    "other data": field("tasks.0.data", {"nut": "1"}),
    "negative size": field("files.x", {"size": -1, "sha256": "0" * 64}),
    "one more file": field("files.x", {"size": 1, "sha256": "0" * 64}),
    "shape": tensor("bank", lambda t: t.update({next(iter(t)): torch.zeros(3)})),
    "number format": tensor("bank", lambda t: t.update({k: v.double() for k, v in t.items()})),
    "not finite": tensor("base", lambda t: next(v for v in t.values() if v.is_floating_point())
                         .view(-1)[:1].fill_(float("nan"))),
    "permutation": tensor("base", permuted),
    "one tensor less": tensor("base", lambda t: t.pop(next(iter(t)))),
    "no mean": tensor("router", lambda t: t.pop("mean")),
    "mean of others": tensor("router", lambda t: t.update(mean=torch.zeros(3).double())),
    "no factor": tensor("router", lambda t: t["cholesky"].zero_()),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_what_is_no_model_is_refused_soon_in_one_error(
    attack: Callable[[Path], None], folder: Path
) -> None:
    load_model(folder)
    attack(folder)
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match=str(folder)):
        load_model(folder)
    assert time.monotonic() - start < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB


def paths(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Of every value in a tree."""
    if not isinstance(tree, dict | list):
        return [at]
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree)
    below = [path for key, value in inner for path in paths(value, (*at, key))]
    return [at, *below] if at else below


VALUES = [None, True, 0, -1, 3, 10**9, 10**30, 1e308, "", "\0", "../x", "x" * 10**5, [], {}, [[]]]


def mutated(tree: Any, draw: random.Random) -> None:
    """Change one value: to another kind, another size, nothing, or that of another place."""
    *parents, leaf = draw.choice(paths(tree))
    branch = tree
    for key in parents:
        branch = branch[key]
    match draw.randrange(5):
        case 0:
            del branch[leaf]
        case 1 if isinstance(branch[leaf], int | float):
            branch[leaf] *= draw.choice([2, 1000, -1, 0.5])
        case 2 if isinstance(branch[leaf], str):
            branch[leaf] += draw.choice(["x", "/", "\n", "é"])
        case 3 if isinstance(branch, dict):
            branch[draw.choice(["x", "", "format"])] = branch[leaf]
        case _:
            branch[leaf] = draw.choice(VALUES)


def outcome(folder: Path) -> str:
    """What a model that is loaded and used ends in."""
    try:
        saved = load_model(folder)
    except ModelError:
        return "refused"
    config = saved.model.config
    x = torch.randn(2, *saved.model.grid, config.patches.dim, generator=torch_stream("x"))
    for task, prototype in zip(saved.sequence, saved.prototypes, strict=True):
        saved.model.log_likelihood(x, task)
        prototype.squared_distance(torch.zeros(1, config.patches.dim).double())
    return "used"


def fuzz(folder: Path, seeds: range) -> set[str]:
    whole, content = tree_of(folder), (folder / "model.json").read_bytes()
    ends = {outcome(folder)}
    for seed in seeds:
        tree, draw = json.loads(json.dumps(whole)), random.Random(seed)
        for _ in range(draw.choice([1, 1, 2])):
            mutated(tree, draw)
        sealed(folder, tree)
        ends.add(outcome(folder))
        # Bytes are changed under the seal: always told.
        changed = bytearray(content)
        changed[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        (folder / "model.json").write_bytes(changed)
        assert outcome(folder) == "refused", seed
    return ends


def test_no_change_of_the_manifest_ends_in_a_traceback(folder: Path) -> None:
    assert fuzz(folder, range(150)) == {"used", "refused"}


@pytest.mark.soak
def test_no_change_of_the_manifest_ends_in_a_traceback_for_long(folder: Path) -> None:
    assert fuzz(folder, range(150, 8000)) == {"used", "refused"}


def test_cut_files_are_refused(folder: Path) -> None:
    for path in [*folder.iterdir()]:
        content = path.read_bytes()
        for damage in (content[:-1], content[: len(content) // 2], b"", bytes(len(content))):
            path.unlink()
            path.write_bytes(damage)
            assert outcome(folder) == "refused", path
        path.write_bytes(content)
    assert outcome(folder) == "used"
