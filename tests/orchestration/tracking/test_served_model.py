"""A trial's model as MLflow loads and serves it says what the model itself says."""

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import moleflow
from orchestration.commands.register import register
from orchestration.records.layout import Root
from orchestration.studies.expansion import Plan
from orchestration.tracking.address import default_uri
from orchestration.tracking.exporter import sync
from orchestration.tracking.tracker import quiet_environment
from tests.orchestration.tracking.stores import (
    answers,
    begin_trial,
    end_trial,
    free_port,
    logged_models,
    small_plan,
)
from tests.processes import wait_for

pytestmark = [pytest.mark.soak]

TOP = Path(__file__).parents[3]
CLASSES = ("bolt", "cable")


def no_warning(text: str) -> None:
    raise AssertionError(text)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MVTec layout: two classes of few small pictures."""
    root, draws = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number, name in enumerate(CLASSES):
        for place, count in (("train/good", 8), ("test/good", 2), ("test/hole", 2)):
            folder = root / name / place
            folder.mkdir(parents=True)
            for i in range(count):
                noise = draws.normal(60 + 90 * number, 25, size=(64, 64, 3))
                Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> tuple[Root, Plan]:
    """A study of one trial whose model was trained, logged and registered."""
    root = Root.at(tmp_path_factory.mktemp("tracked") / "a root")
    plan = small_plan(root, axes=(), seeds=(0,))
    (trial,) = plan.trials
    begin_trial(root, trial)
    sets = ("image.size=64", "backbone.weights=random", "patches.dim=16", "flow.blocks=2")
    sets += ("lora.rank=2", "position=none", "training.epochs=4", "training.batch_size=4")
    out = root.study("small").model(trial.key)
    start = "from orchestration.cli import main; main()"
    command = [sys.executable, "-c", start, "train", "--data", str(pictures)]
    command += ["--classes", *CLASSES, "--profile", "quick", "--out", str(out)]
    command += ["--root", str(root.path), "--set", *sets]
    subprocess.run(command, check=True, cwd=TOP, stdout=subprocess.DEVNULL)
    end_trial(root, trial)
    from orchestration.tracking.mlflow.runs import MlflowTracker

    assert sync(plan, root.study("small"), MlflowTracker(root), no_warning)
    assert register(trial.key[:8], name="pcb", alias="champion", root=root.path) == 0
    return root, plan


def asked(pictures: Path) -> list[Path]:
    return [pictures / name / "test" / "hole" / "0.png" for name in CLASSES]


def told(root: Root, plan: Plan, pictures: Path) -> list[tuple[float, str]]:
    """By the model itself."""
    model = moleflow.load(root.study("small").model(plan.trials[0].key))
    found = list(model.predict(asked(pictures)))
    return [(one.score, one.task) for one in found if isinstance(one, moleflow.Prediction)]


LOAD = """
import json, sys
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
for uri in json.loads(sys.argv[2]):
    model = mlflow.pyfunc.load_model(uri)
    by_path = model.predict(pd.DataFrame({"path": sys.argv[3:]}))
    content = [open(path, "rb").read() for path in sys.argv[3:]]
    by_bytes = model.predict(pd.DataFrame({"image": content}), params={"maps": False})
    example = model.predict(model.input_example)
    broken = model.predict(pd.DataFrame({"image": [b"no picture"]}))
    frames = (by_path, by_bytes, example, broken)
    print(json.dumps([frame.to_dict("records") for frame in frames]))
"""


def test_a_loaded_model_scores_as_the_model_itself(
    tracked: tuple[Root, Plan], pictures: Path
) -> None:
    """That of a trial, whose weights lie in its folder, and the registered one, which has them."""
    root, plan = tracked
    (model,) = logged_models(default_uri(root), "small").values()
    uris = json.dumps([f"models:/{model['model_id']}", "models:/pcb@champion"])
    command = [sys.executable, "-c", LOAD, default_uri(root), uris, *map(str, asked(pictures))]
    environment = os.environ | quiet_environment()
    done = subprocess.run(
        command, check=True, cwd=TOP, capture_output=True, text=True, env=environment
    )
    expected = told(root, plan, pictures)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[[")]
    assert len(found) == 2
    for by_path, by_bytes, example, broken in found:
        assert [(one["score"], one["task"]) for one in by_path] == expected
        assert [(one["score"], one["task"]) for one in by_bytes] == expected
        assert [one["map"] for one in by_bytes] == [[], []]
        assert np.asarray(by_path[0]["map"]).shape == (64, 64)
        assert example[0]["error"] == ""
        assert broken[0]["error"].startswith("0.png: is not an image")


@contextmanager
def serving(root: Root) -> Iterator[str]:
    """MLflow's own server of the registered model, which starts programs beside its own."""
    port, programs = free_port(), f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    place = {"MLFLOW_TRACKING_URI": default_uri(root), "PATH": programs}
    words = f"models serve -m models:/pcb@champion --env-manager local -p {port}".split()
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *words],
        cwd=root.path,
        env=os.environ | quiet_environment() | place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}"))
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def invoked(address: str, columns: list[str], data: list[list[str]]) -> list[dict[str, Any]]:
    body = {"dataframe_split": {"columns": columns, "data": data}, "params": {"maps": True}}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/invocations", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["predictions"]


def test_a_served_model_scores_as_the_model_itself(
    tracked: tuple[Root, Plan], pictures: Path
) -> None:
    root, plan = tracked
    expected, paths = told(root, plan, pictures), asked(pictures)
    with serving(root) as address:
        by_path = invoked(address, ["path"], [[str(path)] for path in paths])
        contents = [[base64.b64encode(path.read_bytes()).decode()] for path in paths]
        by_bytes = invoked(address, ["image"], contents)
        with pytest.raises(urllib.error.HTTPError) as refused:
            invoked(address, ["Path"], [[str(path)] for path in paths])
        assert refused.value.code == 400
        assert "give the picture's `path`" in json.load(refused.value)["message"]
    assert [(one["score"], one["task"]) for one in by_path] == expected
    assert by_bytes == by_path
