"""What a class is called in a tracking store: one name wherever it is named, and its own."""

import itertools

from mlflow.utils.validation import _validate_metric_name  # pyright: ignore[reportPrivateUsage]

from orchestration.records.events import Epoch, Metrics
from orchestration.records.stages import StageRef
from orchestration.tracking.mlflow.image_names import SECTION, image_key
from orchestration.tracking.mlflow.metric_names import tracked
from orchestration.tracking.mlflow.naming import called
from orchestration.tracking.mlflow.study_answer import Setting, title_beside

SIGNS = "/_ ~+%'\"#:.-&<>|\\\n\N{COMBINING ACUTE ACCENT}é瓶"
NAMES = (
    *(f"a{one}b" for one in SIGNS),
    *(f"{one}{other}" for one, other in itertools.product("_%'/.", repeat=2)),
    *(letter * many for letter in ("x", "瓶") for many in (33, 34, 100, 101, 300)),
    "a%2Fb",
    "a+step+1+timestamp+2",
    "a b compressed",
)
EVERY = (*NAMES, *map(called, NAMES))
"""A class may be called what another one is called where its own name is not taken."""


def sent(name: str) -> list[str]:
    """Names of metrics of that class."""
    events = (
        Metrics(step=1, numbers={f"image_auroc/{name}": 0.5}),
        Epoch(stage=StageRef("base", name), epoch=1, epochs=1, numbers={"loss": 0.5}),
    )
    return [one.name for one in tracked(events, misrouted=False)[0]]


def test_a_class_has_one_name_in_metrics_and_images() -> None:
    for name in EVERY:
        assert sent(name) == [
            f"by_class/image_auroc {called(name)}",
            f"training/loss {called(name)}",
        ]
        assert image_key(name) == f"{SECTION}/{called(name)}"


def test_no_two_classes_have_one_name() -> None:
    every = set(EVERY)
    assert len({called(name) for name in every}) == len(every)


def test_names_are_taken_by_mlflow_as_metrics_and_as_names_of_files() -> None:
    for name in EVERY:
        for metric in (*sent(name), f"first_task/image_auroc {called(name)} effect_low"):
            _validate_metric_name(metric)
        assert not set(called(name)) & set("/~+%#\\")  # MLflow's signs in files and addresses
        file = f"{SECTION}~{called(name)}+step+100+timestamp+{10**12}+{'u' * 36}+compressed.webp"
        assert len(file.encode()) <= 255


def test_two_settings_whose_long_values_begin_alike_have_names_of_their_own() -> None:
    values = [f"/{'weights/' * 9}{number}.safetensors" for number in range(3)]
    settings = [
        Setting(value, {"backbone.weights": value}, frozenset(), (value,))
        for value in (*values, "/weights_1", "/weights/1")
    ]
    assert len({title_beside(setting) for setting in settings}) == len(settings)
