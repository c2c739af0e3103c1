"""Learning one later task, from PNG files to a trained bank, against the plain reference loop.

    python tests/benchmarks/bench_train.py [--real DIR] [--epochs N] [--threads N]

Both sides start from the same bytes, take the same steps and must end at the same loss and scores.
Ours includes the extraction of features; the reference (plain_loop.py) reads the files and runs the
backbone in every epoch. DIR holds data/ and weights/; without it pictures are drawn and the
backbone is untrained.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from plain_loop import PlainBackbone, PlainFlow, train
from timing import fastest, print_table

from moleflow import profiles
from moleflow.config import Config
from moleflow.data.catalog import open_catalog
from moleflow.data.pictures import ClassData, Picture
from moleflow.data.synthetic import make_synthetic
from moleflow.features.backbone import Backbone, load_backbone
from moleflow.features.cache import extract_features, open_features, picture_features
from moleflow.features.position import position_code
from moleflow.model import MoLEFlow
from moleflow.streams import torch_stream
from moleflow.training.train import train_task

GRID = (28, 28)
FIRST, LATER = ("first",), ("later",)
SCORED = 8
Outcome = tuple[float, torch.Tensor]
"""Last epoch's loss, and patch scores of some test pictures."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--class-name", default="magnetic_tile")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        data, weights = pictures(arguments.real, arguments.class_name, scratch)
        large = enlarged(data, scratch / "large")
        config = settings(weights, arguments.epochs)
        rows: list[tuple[str, float, str, str]] = []
        for case, pictures_, precision, target in (
            ("224 px", data, "float32", ">= 1.8"),
            ("224 px", data, "bfloat16", ">= 4"),
            ("1024 px", large, "float32", ">= 3"),
        ):
            chosen = config.updated({"compute.precision": precision})
            rows += compare(f"{case} {precision}", pictures_, chosen, arguments.rounds, target)
        print_table(rows)


def pictures(real: Path | None, name: str, scratch: Path) -> tuple[ClassData, Path | None]:
    """A class's pictures and the backbone's weights: real ones, or drawn ones and none."""
    if real is not None:
        found = open_catalog(real / "data")[name]
        return few_tests(found), real / "weights" / "resnet18.safetensors"
    found = open_catalog(make_synthetic(scratch / "drawn"))
    return few_tests(next(iter(found.values()))), None


def few_tests(data: ClassData) -> ClassData:
    return replace(data, test=data.test[:SCORED])


def enlarged(data: ClassData, folder: Path) -> ClassData:
    """The same pictures with a shorter side of 1024 px, as PNG files."""

    def larger(picture: Picture, number: int, split: str) -> Picture:
        path = folder / f"{split}{number}.png"
        with Image.open(picture.path) as image:
            factor = 1024 / min(image.size)
            size = round(image.width * factor), round(image.height * factor)
            image.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(path)
        return replace(picture, path=path)

    folder.mkdir()
    return replace(
        data,
        train=tuple(larger(p, i, "train") for i, p in enumerate(data.train)),
        test=tuple(larger(p, i, "test") for i, p in enumerate(data.test)),
    )


def settings(weights: Path | None, epochs: int) -> Config:
    return profiles.main().updated(
        {
            "backbone.name": "resnet18",
            "backbone.weights": str(weights) if weights else "random",
            "patches.dim": 256,
            "patches.dtype": "float32",
            "training.epochs": epochs,
        }
    )


def compare(
    case: str, data: ClassData, config: Config, rounds: int, target: str
) -> list[tuple[str, float, str, str]]:
    """Rows of both sides; says how far their losses and scores are apart."""
    backbone = load_backbone(config.backbone)
    ends: dict[str, Outcome] = {}

    def side(
        name: str, run: Callable[[ClassData, Config, Backbone], Outcome]
    ) -> Callable[[], None]:
        def go() -> None:
            ends[name] = run(data, config, backbone)

        return go

    times = fastest({"plain": side("plain", plain), "ours": side("ours", ours)}, rounds, warm=0)
    (loss, scores), (other, others) = ends["ours"], ends["plain"]
    apart = (scores - others).abs().max() / others.std()
    print(
        f"{case}: loss {loss:.4f}, plain {other:.4f}; scores differ by <= {apart:.1e} of their std"
    )
    return [
        (f"{case}, plain loop", times["plain"], "1.0", ""),
        (f"{case}, moleflow", times["ours"], f"{times['plain'] / times['ours']:.2f}", target),
    ]


def new_model(config: Config) -> MoLEFlow:
    model = MoLEFlow(config, GRID, 0, FIRST)
    model.new_bank(FIRST)
    return model


def ours(data: ClassData, config: Config, backbone: Backbone) -> Outcome:
    model = new_model(config)
    with tempfile.TemporaryDirectory() as folder:
        extract_features(data, config, backbone, torch.device("cpu"), Path(folder))
        features = open_features(Path(folder))
        loss = list(train_task(model, LATER, [features.train.patches]))[-1].loss
        with torch.inference_mode():
            return loss, -model.log_likelihood(features.test.patches, LATER)[0]


def plain(data: ClassData, config: Config, backbone: Backbone) -> Outcome:
    model = new_model(config)
    bank = model.new_bank(LATER).state_dict()
    code = position_code(*GRID, config.patches.dim)
    flow = PlainFlow(config, model.base.state_dict(), bank, code)
    net = PlainBackbone(backbone._model.state_dict(), config.patches.dim)
    paths = [picture.path for picture in data.train]
    loss = train(flow, net, paths, torch_stream(*model.stream(LATER, "batches")))
    test = picture_features(data.test, config, backbone, torch.device("cpu"), bits=None)
    with torch.inference_mode():
        return loss, -flow(test.patches)[0]


if __name__ == "__main__":
    main()
