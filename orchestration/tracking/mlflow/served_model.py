"""A trial's model as MLflow loads and serves it. This file lies beside each logged model and is run
from there (`mlflow.models.set_model`), so that nothing of a model is a pickle."""

# MLflow's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportPrivateImportUsage=false
# pyright: reportIncompatibleMethodOverride=false

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import moleflow
from orchestration.tracking.mlflow.connection import PythonModel, bad_request, set_model

COLUMNS = ("path", "image")
ASKED = "give the picture's `path`, or its bytes as `image`"
HERE = Path(__file__).resolve().parent


class TrialModel(PythonModel):
    """Scores pictures, by their paths or their bytes."""

    def load_context(self, context: Any) -> None:
        """`model_config` may say otherwise where weights lie now (`weights`), and `device`."""
        config: Mapping[str, Any] = context.model_config or {}
        places = [HERE / "model", Path(config["folder"])]
        # The logged model of a root folder that was moved lies below it, as its trials do.
        if len(HERE.parents) > 4:
            places.append(HERE.parents[4].joinpath(*config["below_root"]))
        folder = next((place for place in places if (place / "model.json").is_file()), None)
        if folder is None:
            raise FileNotFoundError(
                f"{config['folder']}: the trial's model is not there; moleflow register, run where "
                "it is, puts it into the store"
            )
        device = config.get("device") or "cpu"
        self._model = moleflow.load(folder, config.get("weights"), device)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """A line for each picture: score, task, map (none with `maps` false), and what is wrong
        with a picture that cannot be read.

        Raises:
            MlflowException: a line names no picture, or two.
        """
        # MLflow drops columns of other names, and with the last one it drops every line.
        if not any(name in model_input for name in COLUMNS):
            raise bad_request(f"no column `path` or `image`: {ASKED}")
        maps = (params or {}).get("maps", True)
        with tempfile.TemporaryDirectory() as folder:
            pictures = list(_pictures(model_input, Path(folder)))
            rows = [_row(answer, maps) for answer in self._model.predict(pictures)]
        for row in rows:  # of what was given as bytes, no place of ours is told
            row["error"] = row["error"].replace(f"{folder}/", "")
        return pd.DataFrame(rows, columns=["score", "task", "map", "error"])


def _pictures(asked: pd.DataFrame, folder: Path) -> Iterator[Path]:
    for number, line in enumerate(asked.to_dict(orient="records")):
        content, path = line.get("image"), line.get("path")
        if isinstance(content, bytes) and isinstance(path, str):
            raise bad_request(f"line {number}: has both; {ASKED}")
        if isinstance(content, bytes):
            file = folder / f"{number}.png"  # a picture is what its bytes say, whatever its name
            file.write_bytes(content)
            yield file
        elif isinstance(path, str):
            yield Path(path)
        else:
            raise bad_request(f"line {number}: {ASKED}")


def _row(answer: Any, maps: bool) -> dict[str, Any]:
    if isinstance(answer, moleflow.Unreadable):
        return {"score": None, "task": "", "map": [], "error": answer.reason}
    shown = answer.map.tolist() if maps else []
    return {"score": answer.score, "task": answer.task, "map": shown, "error": ""}


set_model(TrialModel())
