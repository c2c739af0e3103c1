"""Anomaly maps of a trial as MLflow's view shows images, by class and step.

Laid out as `mlflow.log_image` does it, but for names: they follow from what is shown, so that what
is sent again, or by a later attempt, takes the place of what was there.
"""

import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Record
from orchestration.records.map_sheets import CHANGED, SHOWN, TILES, pictures_on
from orchestration.tracking.mlflow.connection import MlflowClient
from orchestration.tracking.mlflow.image_names import image_key
from orchestration.tracking.mlflow.own_runs import Known

LOGGED = {"mlflow.loggedImages": "True"}
"""By which MLflow's view knows that a run has images."""
QUICK = 3
"""A third of the driver's time that the best compression takes, for a tenth more bytes."""
SMALL = 256
"""Side of what the view shows first, in pixels."""


def log_images(client: MlflowClient, run: Known, record: Record, folder: StudyFolder) -> bool:
    """One image of each class at the step of the last task. Where later tasks changed a map, one at
    the step of its own task too, and one without maps at step 0, where MLflow's view begins when
    there are several. Returns whether the trial kept maps that can be shown."""
    found = pictures_on(folder.artifacts(record.key), record.trial.classes, (*SHOWN, CHANGED))
    if not found:
        return False
    learned = {name: i for i, task in enumerate(record.sequence, start=1) for name in task}
    with tempfile.TemporaryDirectory() as place:
        for name, pictures in found:
            now = [one.image for one in pictures]
            _write(Path(place), name, _below_each_other(now), len(record.sequence), run)
            if any(one.earlier for one in pictures):
                then = [one.earlier or one.image for one in pictures]
                _write(Path(place), name, _below_each_other(then), learned[name], run)
                without = [_without_map(one.image) for one in pictures]
                _write(Path(place), name, _below_each_other(without), 0, run)
        client.log_artifacts(run.run_id, place, "images")
    return True


def _below_each_other(images: Sequence[Image.Image]) -> Image.Image:
    width, height = images[0].size
    every = Image.new("RGB", (width, height * len(images)))
    for i, one in enumerate(images):
        every.paste(one, (0, i * height))
    return every


def _without_map(image: Image.Image) -> Image.Image:
    """Before the class was learned."""
    before, side = image.copy(), image.height
    left = TILES.index("map") * side
    draw = ImageDraw.Draw(before)
    draw.rectangle((left, 0, left + side - 1, side - 1), fill="lightgrey")
    middle = (left + side / 2, side / 2)
    draw.text(middle, "not learned yet", "black", anchor="mm", font_size=side / 10)
    return before


def _write(place: Path, name: str, image: Image.Image, step: int, run: Known) -> None:
    """In full, with as many colours as a map of colours has, and small."""
    key = image_key(name).replace("/", "~")  # MLflow's sign for it in names of files
    one = uuid.uuid5(uuid.NAMESPACE_OID, f"{run.run_id} {name}")
    stem = f"{key}+step+{step}+timestamp+{run.started}+{one}"
    plain = image.quantize(256, Image.Quantize.FASTOCTREE)
    plain.save(place / f"{stem}.png", compress_level=QUICK)
    share = SMALL / max(image.size)
    size = (max(1, int(image.width * share)), max(1, int(image.height * share)))
    image.resize(size).save(place / f"{stem}+compressed.webp", method=0)
