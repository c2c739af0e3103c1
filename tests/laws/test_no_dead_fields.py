"""Every config field changes the thing it names: a field without effect is how ablations of an
unchanged model came to be published."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from moleflow.config import Config
from moleflow.config_parts import MultiscaleConfig
from moleflow.data.catalog import open_catalog
from moleflow.evaluation import SequenceEvaluation
from moleflow.features.backbone import load_backbone
from moleflow.features.cache import ClassFeatures, extract_features, open_features
from moleflow.inert import effective_settings, inert_fields
from moleflow.router import task_prototype
from moleflow.saved import new_model
from moleflow.streams import numpy_stream
from moleflow.tasks.freeze import module_digest, tensors_digest
from moleflow.training.train import train_task
from orchestration.sharing.keys import StageKeys
from orchestration.studies.expansion import Trial

pytestmark = pytest.mark.slow

CHANGES: dict[str, Any] = {
    "data.fraction": 0.5,
    "data.held_out": 0.4,
    "data.seed": 1,
    "image.size": 48,
    "image.resize": "crop",
    "image.bits": 16,
    "backbone.name": "resnet34",
    "backbone.weights": None,  # tests/oracles: a file's weights are the ones used
    "backbone.stages": ["layer1", "layer3"],
    "backbone.random_seed": 1,
    "backbone.precision": "bfloat16",
    "patches.dim": 20,
    "patches.grid": "first",
    "patches.neighbourhood": 1,
    "patches.dtype": "float32",
    "position": "none",
    "multiscale": "on",
    "multiscale.kernel": 3,
    "adapter": "none",
    "adapter.kind": None,  # `adapter` names it
    "adapter.gate": 0.1,
    "adapter.identity_share": 0.5,
    "adapter.gamma": [0.9, 1.1],
    "adapter.beta": 0.1,
    "adapter.bounds": "none",
    "adapter.init": "task0",
    "adapter.identity_weight": 5.0,
    "mixer.kernel": 5,
    "mixer.gate": "task",
    "flow.blocks": 1,
    "flow.clamp": "soft",
    "flow.clamp_limit": 1.0,
    "flow.context_kernel": 5,
    "flow.context_max": 0.3,
    "flow.context_start": 0.05,
    "flow.train_global_affine": False,
    "lora": "off",
    "lora.rank": 3,
    "lora.alpha": "r",
    "lora.init": "normal",
    "task_bias": False,
    "dia.blocks": 1,
    "dia.clamp_limit": 0.01,
    "dia.context_kernel": 3,
    "freeze_base": False,
    "separate": True,
    "seeding": "positional",
    "loss.tail_weight": 0.2,
    "loss.tail_ratio": 0.5,
    "loss.logdet_weight": 0.1,
    "training.optimizer": "adamw",
    "training.epochs": 5,
    "training.batch_size": 3,
    "training.lr": 5e-3,
    "training.dia_lr": 0.3,
    "training.eta_min_ratio": 0.5,
    "training.warmup_epochs": 0,
    "training.weight_decay": 0.9,
    "training.clip_norm": 50.0,
    "router.distance": "euclidean",
    "router.covariance": "ledoit_wolf",
    "router.regularisation": 0.1,
    "scoring.aggregation": "mean",
    "scoring.top_k": 1,
    "scoring.quantile": 0.5,
    "scoring.smoothing": 3.0,
    "scoring.align_corners": True,
    "scoring.logdet": "image_mean",
    "scoring.size": 32,
    "compute.precision": "bfloat16",
    "compute.compile": None,  # tests/laws: compiled steps agree
    "scoring.aupro_limit": 0.1,
}
NEEDS: dict[str, dict[str, Any]] = {
    "data.seed": {"data.fraction": 0.5},
    "scoring.quantile": {"scoring.aggregation": "quantile"},
    "multiscale.kernel": {"multiscale": "on"},
    "adapter.gate": {"adapter": "film"},
    "adapter.identity_share": {"adapter": "film"},
}
"""Fields that count only beside another one's value."""
EVALUATION_ONLY = ("router.", "scoring.")
SWITCHES: dict[str, dict[str, Any]] = {
    "parts": {
        "backbone.stages": ["layer2"],
        "adapter.bounds": "none",
        "mixer.kernel": 0,
        "flow.context_kernel": 0,
        "dia.blocks": 0,
        "loss.tail_weight": 0.0,
        "router.distance": "euclidean",
        "scoring.aggregation": "mean",
    },
    "flow": {"flow.blocks": 0, "dia.blocks": 0, "router.covariance": "ledoit_wolf"},
    "base": {"flow.blocks": 0, "mixer.kernel": 0},
    "separate": {"separate": True},
}
"""Settings that switch off what other fields name."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    draws = numpy_stream("dead fields")
    for name in ("bottle", "cable"):
        level = {"bottle": 60, "cable": 160}[name]
        for split, defect, count in (
            ("train", "good", 6),
            ("test", "good", 3),
            ("test", "hole", 3),
        ):
            folder = root / name / split / defect
            folder.mkdir(parents=True)
            for i in range(count):
                noise = draws.normal(level, 25, size=(64, 80, 3))
                mask = np.zeros((64, 80), dtype=np.uint8)
                if defect == "hole":
                    mask[20:36, 30:50] = 255
                    noise[mask > 0] += 60
                pixels = noise.clip(0, 255).astype(np.uint8)
                if i == 0:  # as a camera of 12 bits writes it
                    pixels = pixels[..., 0].astype(np.uint16) * 16
                Image.fromarray(pixels).save(folder / f"{i}.png")
                if defect == "hole":
                    truth = root / name / "ground_truth" / defect
                    truth.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(mask).save(truth / f"{i}_mask.png")
    return root


@cache
def extracted(config: Config, pictures: Path) -> dict[str, ClassFeatures]:
    found = {}
    for name, data in open_catalog(pictures).items():
        folder = Path(tempfile.mkdtemp(dir=pictures.parent))
        extract_features(data, config, load_backbone(config.backbone), torch.device("cpu"), folder)
        found[name] = open_features(folder)
    return found


@cache
def outcome(config: Config, pictures: Path) -> dict[str, Any]:
    """Bytes of base and banks, and every number that comes out of a sequence of two tasks."""
    data = open_catalog(pictures)
    features = extracted(
        Config(
            image=config.image,
            backbone=config.backbone,
            patches=config.patches,
            multiscale="off" if config.multiscale == "off" else MultiscaleConfig(),
        ),
        pictures,
    )
    used = {name: found.drawn(config.data, name) for name, found in features.items()}
    sequence = (("bottle",), ("cable",))
    model = new_model(config, features, 0, sequence[0])
    tests = {name: found.test for name, found in features.items()}
    evaluation = SequenceEvaluation(model, sequence, data, tests)
    stages: list[str] = []
    for task in sequence:
        train = used[task[0]].train
        list(train_task(model, task, [train.patches]))
        stages.append(module_digest(model.base_of(task)) + module_digest(model.banks[task]))
        evaluation.learn(task_prototype([train.means], config.router))
        evaluation.measure()
    evaluation.finish()
    numbers = {
        (m.class_name, m.metric, m.step, m.definition, m.routing): m.value
        for m in evaluation.measurements
    }
    distances = [evaluation.routing(name).distances for name in data]
    scores = [evaluation.scores(name, (name,)) for name in data]
    return {
        "features": [tensors_digest([("", found.train.patches)]) for found in features.values()],
        "stages": stages,
        "trained": [module_digest(m) for m in (*model.bases.values(), *model.banks.values())],
        "scores": [s.images.tobytes() for s in scores],
        "maps": [evaluation.maps(name, np.full(6, i)).tobytes() for i, name in enumerate(data)],
        "distances": [d.tobytes() for d in distances],
        "numbers": numbers,
    }


def test_every_field_is_listed_here(tiny: Config) -> None:
    named = {*tiny.flat(), *tiny.updated({"adapter": "film", "multiscale": "on"}).flat()}
    assert sorted(named | {"adapter", "lora", "multiscale"}) == sorted(CHANGES)


@pytest.mark.parametrize("field", [field for field, value in CHANGES.items() if value is not None])
def test_a_field_changes_what_it_names(field: str, tiny: Config, pictures: Path) -> None:
    before = tiny.updated({"scoring.top_k": 2} | NEEDS.get(field, {}))
    after = before.updated({field: CHANGES[field]})
    assert before != after
    one, other = outcome(before, pictures), outcome(after, pictures)
    if field.startswith(EVALUATION_ONLY):
        assert one["trained"] == other["trained"], "changing it must never retrain"
        parts = ("scores", "maps", "distances", "numbers")
        assert [part for part in parts if one[part] != other[part]]
    else:
        assert one["trained"] != other["trained"]


ALWAYS = set(inert_fields(Config(), 2)) | {"data.seed", "scoring.quantile"}


@pytest.mark.parametrize("switch", SWITCHES.values(), ids=SWITCHES)
def test_fields_that_are_said_to_be_switched_off_change_nothing(
    switch: dict[str, Any], tiny: Config, pictures: Path
) -> None:
    """All of them at once; `test_a_field_changes_what_it_names` shows each at work elsewhere."""
    before = tiny.updated({"scoring.top_k": 2, "loss.logdet_weight": 1e-3} | switch)
    inert = [field for field in inert_fields(before, 2) if field not in ALWAYS]
    changes = {field: CHANGES[field] for field in inert if not field.startswith("lora.")}
    after = before.updated(changes | ({"lora": "off"} if "lora.rank" in inert else {}))
    assert changes and effective_settings(before, 2) == effective_settings(after, 2)
    one, other = outcome(before, pictures), outcome(after, pictures)
    for part in ("trained", "scores", "maps", "distances", "numbers"):
        assert one[part] == other[part], part


def keys_of(config: Config) -> StageKeys:
    """Of a trial that learns the two classes, as a plan would name its stages."""
    trial = Trial(
        key="",
        study="",
        axes={},
        config=config,
        sequence=(("bottle",), ("cable",)),
        seed=0,
        data_root="",
        fingerprints={"bottle": "b", "cable": "c"},
        weights="random",
    )
    return StageKeys(trial, "cpu", 1)


@pytest.mark.parametrize("field", [field for field, value in CHANGES.items() if value is not None])
def test_a_stages_key_changes_exactly_when_its_result_does(
    field: str, tiny: Config, pictures: Path
) -> None:
    before = tiny.updated({"scoring.top_k": 2} | NEEDS.get(field, {}))
    after = before.updated({field: CHANGES[field]})
    one, other = outcome(before, pictures), outcome(after, pictures)
    keys, changed = keys_of(before), keys_of(after)
    for i in range(2):
        new_key = keys.task(i) != changed.task(i)
        # An adapter stands on its base: what it was trained on is part of its result.
        assert new_key == (one["stages"][: i + 1] != other["stages"][: i + 1]), f"task {i}"
    assert (keys.features("cable") != changed.features("cable")) == (
        one["features"] != other["features"]
    )


@pytest.mark.parametrize("adapter", ["whitening", "film", "none"])
@pytest.mark.parametrize("other", ["whitening", "film", "none"])
def test_every_adapter_trains_differently(
    adapter: str, other: str, tiny: Config, pictures: Path
) -> None:
    one, two = (outcome(tiny.updated({"adapter": a}), pictures) for a in (adapter, other))
    assert (one["trained"] == two["trained"]) == (adapter == other)


def test_an_oracle_router_never_errs(tiny: Config, pictures: Path) -> None:
    numbers = outcome(tiny.updated({"router.distance": "oracle"}), pictures)["numbers"]
    routed = {key[:4]: value for key, value in numbers.items() if key[4] == "routed"}
    oracle = {key[:4]: value for key, value in numbers.items() if key[4] == "oracle"}
    assert {value for key, value in routed.items() if key[1] == "routing_accuracy"} == {1.0, 0.0}
    assert all(routed[key] == value for key, value in oracle.items())


def test_the_same_config_changes_nothing(tiny: Config, pictures: Path) -> None:
    """The negative control: it is the field that changes the numbers, not the run."""
    assert outcome(tiny, pictures) == outcome.__wrapped__(tiny, pictures)
