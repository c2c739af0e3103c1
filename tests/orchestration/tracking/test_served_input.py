"""Whoever asks a served model has an answer for each line, or an error that says what to give."""

from typing import Any

import pandas as pd
import pytest

from moleflow.config import Config
from moleflow.model import MoLEFlow
from moleflow.router import new_prototype
from moleflow.saved import save_model
from orchestration.tracking.mlflow.logged_models import describe

pytestmark = pytest.mark.slow
ASKED = "give the picture's `path`, or its bytes as `image`"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tiny: Config) -> Any:
    """As `mlflow.pyfunc` loads it, what serves it asks too."""
    import mlflow
    import torch
    from mlflow.entities import LoggedModel

    place, task = tmp_path_factory.mktemp("served"), ("bolt",)
    model = MoLEFlow(tiny, (4, 4), 3, task)
    model.new_bank(task)
    prototype = new_prototype(torch.randn(8, 16).double(), tiny.router)
    save_model(place / "own", model, [prototype], "random:0", {"bolt": "1"})
    logged = LoggedModel("1", "m-1", "one", str(place), 0, 0, source_run_id="r")
    describe(place / "model", logged, place / "own")
    return mlflow.pyfunc.load_model(str(place / "model"))


@pytest.mark.parametrize(
    "given",
    [
        pd.DataFrame({"foo": ["X"]}),
        pd.DataFrame({"Path": ["X", "X"]}),
        pd.DataFrame({"file": ["X"], "Image": [b"X"]}),
        pd.DataFrame(["X"]),
        {"Path": "X"},
        ["X"],
        "X",
        pd.DataFrame(),
        pd.DataFrame({"path": ["X", None]}),
        pd.DataFrame([{"path": "X"}, {"Path": "X"}]),
        pd.DataFrame({"path": ["X"], "image": [b"X"]}),
        pd.DataFrame([{"path": "X"}, {"path": "X", "image": b"X"}]),
    ],
    ids=str,
)
def test_what_names_no_picture_or_two_is_an_error(served: Any, given: Any) -> None:
    with pytest.raises(Exception, match=ASKED):
        served.predict(given)


@pytest.mark.parametrize(
    "given",
    [
        {"columns": ["path"], "data": [["/nowhere"], ["/nowhere"]]},
        {"columns": ["path", "image"], "data": [["/nowhere", None], [None, b"no picture"]]},
        {"columns": ["path"], "data": [[""], ["/"]]},
    ],
)
def test_there_are_as_many_answers_as_lines(served: Any, given: dict[str, Any]) -> None:
    answers = served.predict(pd.DataFrame(given["data"], columns=given["columns"]))
    assert len(answers) == len(given["data"]) and all(answers["error"])
