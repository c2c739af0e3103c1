"""Anomaly maps of a trial as MLflow's view shows images, by class and step.

Laid out as `mlflow.log_image` does it, but for names: they follow from what is shown, so that what
is sent again, or by a later attempt, takes the place of what was there.
"""

import re
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Record
from orchestration.records.map_sheets import ShownPicture, pictures_on
from orchestration.studies.trial_keys import digest
from orchestration.tracking.mlflow.connection import MlflowClient
from orchestration.tracking.mlflow.own_runs import Known

SECTION = "anomaly_maps"
LOGGED = {"mlflow.loggedImages": "True"}
"""By which MLflow's view knows that a run has images."""
LONGEST_NAME = 100
SMALL = 256
"""Side of what the view shows first, in pixels."""


def log_images(client: MlflowClient, run: Known, record: Record, folder: StudyFolder) -> bool:
    """One image of each class, at the step of the last task; returns whether the trial kept maps
    that can be shown."""
    found = pictures_on(folder.artifacts(record.key), record.trial.classes)
    if not found:
        return False
    with tempfile.TemporaryDirectory() as place:
        for name, pictures in found:
            _write(Path(place), name, _below_each_other(pictures), len(record.sequence), run)
        client.log_artifacts(run.run_id, place, "images")
    return True


def _below_each_other(pictures: Sequence[ShownPicture]) -> Image.Image:
    width, height = pictures[0].image.size
    every = Image.new("RGB", (width, height * len(pictures)))
    for i, one in enumerate(pictures):
        every.paste(one.image, (0, i * height))
    return every


def _write(place: Path, name: str, image: Image.Image, step: int, run: Known) -> None:
    """In full, with as many colours as a map of colours has, and small."""
    key = f"{SECTION}~{_plain(name)}"  # MLflow's sign for `/`
    one = uuid.uuid5(uuid.NAMESPACE_OID, f"{run.run_id} {name}")
    stem = f"{key}+step+{step}+timestamp+{run.started}+{one}"
    image.quantize(256, Image.Quantize.FASTOCTREE).save(place / f"{stem}.png")
    share = SMALL / max(image.size)
    size = (max(1, int(image.width * share)), max(1, int(image.height * share)))
    image.resize(size).save(place / f"{stem}+compressed.webp")


def _plain(name: str) -> str:
    """What MLflow takes for an image's name; a digest keeps two apart that were made plain."""
    plain = re.sub(r"[^a-zA-Z0-9_\-. ]", "_", name)[:LONGEST_NAME]
    return plain if plain == name else f"{plain}-{digest(name)[:8]}"
