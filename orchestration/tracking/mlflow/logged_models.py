"""Models of finished trials as MLflow lists, loads and registers them.

What is logged of each trial is small: how to load the model, its signature and an example. The
model itself stays in the trial's folder, of which the study may have hundreds, until someone
registers it: then it is put into the store, once.
"""

# MLflow's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import base64
import io
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from moleflow.errors import StudyError
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Record
from orchestration.tracking.address import sync_command
from orchestration.tracking.mlflow import connection as mlflow
from orchestration.tracking.mlflow.own_runs import Known
from orchestration.tracking.mlflow.owner import OWNER, Owner

CODE = Path(__file__).with_name("served_model.py")
READY = "READY"
TRIAL = "moleflow.trial"
WHOLE = "moleflow.whole"
"""On a logged model whose weights are in the store."""
LONGEST_NAME = 100
EXAMPLE = "input_example.json"


class LoggedModels:
    """Those of an experiment that a root folder owns, by trial."""

    def __init__(
        self,
        client: mlflow.MlflowClient,
        experiment: str,
        owner: Owner,
        begun: Callable[[str], None] = lambda model_id: None,
    ):
        """Args:
        begun: told the id of one before anything is put there.
        """
        self._client, self._experiment, self._owner = client, experiment, owner
        self._begun = begun
        self._doubt = False
        self._known = self._found()

    def log(self, record: Record, run: Known, folder: StudyFolder) -> None:
        """The model of a finished trial, where it left one. What a call of before has begun is
        ended, and nothing made twice."""
        if record.status != "finished" or not (folder.model(record.key) / "model.json").is_file():
            return
        if self._doubt and record.key not in self._known:
            self._known, self._doubt = self._found(), False
        model = self._known.get(record.key)
        if model is not None and model.status == READY:
            return
        if model is None:
            tags = {TRIAL: record.key, "moleflow.study": record.study} | self._owner.tags
            name = re.sub(r"[^\w\- ]", "_", run.name)[:LONGEST_NAME] or record.key
            self._doubt = True  # until the answer is there: the model may be made without one
            model = self._client.create_logged_model(
                self._experiment, name, run.run_id, tags, model_type="moleflow"
            )
            self._doubt = False
            self._known[record.key] = model
        self._begun(model.model_id)
        known = self._client.get_run(run.run_id).outputs
        if model.model_id not in {one.model_id for one in (known.model_outputs if known else ())}:
            self._client.log_outputs(run.run_id, [mlflow.LoggedModelOutput(model.model_id, 0)])
        with tempfile.TemporaryDirectory() as place:
            describe(Path(place) / "model", model, folder.model(record.key))
            self._client.log_model_artifacts(model.model_id, str(Path(place) / "model"))
        self._known[record.key] = self._client.finalize_logged_model(model.model_id, READY)

    def register(
        self, record: Record, folder: StudyFolder, name: str, alias: str | None
    ) -> str | None:
        """A version of a registered model; the one that there is, where the trial has been
        registered under that name before. None where the trial has no logged model."""
        model = self._known.get(record.key)
        if model is None or model.status != READY:
            return None
        if WHOLE not in model.tags:
            self._client.log_model_artifacts(model.model_id, str(folder.model(record.key)), "model")
            self._client.set_logged_model_tags(model.model_id, {WHOLE: "yes"})
        if not self._client.search_registered_models(f"name = '{name}'"):
            self._client.create_registered_model(name)
        versions = self._client.search_model_versions(f"name = '{name}'")
        same = [one.version for one in versions if one.tags.get(TRIAL) == record.key]
        found = min(same, key=int, default=None)
        if found is None:
            source = model.artifact_location
            tags = {TRIAL: record.key, "moleflow.study": record.study, OWNER: self._owner.id}
            made = self._client.create_model_version(
                name, source, model.source_run_id, tags, model_id=model.model_id
            )
            found = made.version
        if alias:
            self._client.set_registered_model_alias(name, alias, found)
        return str(found)

    def _found(self) -> dict[str, mlflow.LoggedModel]:
        """Where an answer was lost, a trial may have two: the one that is complete, or else was
        made first, stays."""
        where, query = [self._experiment], f"tags.`{OWNER}` = '{self._owner.id}'"
        models = mlflow.every_page(self._client.search_logged_models, where, query)
        found: dict[str, mlflow.LoggedModel] = {}
        for model in sorted(models, key=lambda m: (m.status != READY, m.creation_timestamp)):
            key = model.tags.get(TRIAL, "")
            if key and found.setdefault(key, model) is not model:
                self._client.delete_logged_model(model.model_id)
        return found


def no_model(record: Record, options: Sequence[str]) -> StudyError:
    """What is wrong where the store has none of a trial; `options` name the store."""
    return StudyError(
        f"trial {record.key} has no model in the tracking store; if it has finished, bring the "
        f"store up to date with: {sync_command(record.study, options)}"
    )


def describe(place: Path, model: mlflow.LoggedModel, own: Path) -> None:
    """Write how the model that lies in the folder `own` is loaded, without loading it: torch has no
    place in a driver."""
    place.mkdir()
    shutil.copyfile(CODE, place / CODE.name)
    described = mlflow.Model(
        run_id=model.source_run_id, model_id=model.model_id, signature=_signature()
    )
    mlflow.add_to_model(
        described,
        loader_module="mlflow.pyfunc.loaders.code_model",
        model_code_path=CODE.name,
        model_config={"folder": str(own), "below_root": own.parts[-5:]},
        streamable=False,
    )
    described.saved_input_example_info = {
        "artifact_path": EXAMPLE,
        "type": "dataframe",
        "pandas_orient": "split",
    }
    (place / EXAMPLE).write_text(json.dumps(example()), encoding="utf-8")
    described.save(str(place / "MLmodel"))


def _signature() -> mlflow.ModelSignature:
    spec, text, number = mlflow.ColSpec, "string", "double"
    rows = mlflow.Array(mlflow.Array(mlflow.DataType.double))
    asked: list[Any] = [spec("binary", "image", required=False), spec(text, "path", required=False)]
    answer: list[Any] = [spec(number, "score", required=False), spec(text, "task")]
    answer += [spec(rows, "map", required=False), spec(text, "error")]
    params = mlflow.ParamSchema([mlflow.ParamSpec("maps", mlflow.DataType.boolean, True)])
    return mlflow.ModelSignature(mlflow.Schema(asked), mlflow.Schema(answer), params)


def example() -> dict[str, list[object]]:
    """A small grey picture, as its bytes."""
    content = io.BytesIO()
    Image.new("RGB", (32, 32), "grey").save(content, format="PNG")
    return {"columns": ["image"], "data": [[base64.b64encode(content.getvalue()).decode()]]}
