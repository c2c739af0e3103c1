"""What the run of a trial that has ended keeps as artifacts: its record, what it left to look at,
and its anomaly maps as MLflow's view shows images, by class and step.

Images are laid out as `mlflow.log_image` does it, but for names: they follow from what is shown,
so that what is sent again, or by a later attempt, takes the place of what was there.
"""

# MLflow's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Record
from orchestration.records.map_images import IMAGES, images_in
from orchestration.tracking.address import is_server
from orchestration.tracking.mlflow.connection import MlflowClient
from orchestration.tracking.mlflow.image_names import image_key
from orchestration.tracking.mlflow.own_runs import Known
from orchestration.tracking.mlflow.uploads import Placed, send_files

LOGGED = {"mlflow.loggedImages": "True"}
"""By which MLflow's view knows that a run has images."""


def log_files(client: MlflowClient, run: Known, record: Record, folder: StudyFolder) -> bool:
    """Returns whether the trial kept maps that can be shown."""
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        kept = folder.record(record.key)
        (place / kept.name).symlink_to(kept)
        left = folder.artifacts(record.key)
        if left.is_dir():
            # The images are sent one by one, under the names that MLflow's view reads.
            packed = shutil.ignore_patterns(IMAGES)
            shutil.copytree(
                left, place, ignore=packed, copy_function=os.symlink, dirs_exist_ok=True
            )
        found = images_in(left, record.trial.sequence)
        for image in found:
            (place / "images").mkdir(exist_ok=True)
            key = image_key(image.class_name).replace("/", "~")  # MLflow's sign for it in a file
            one = uuid.uuid5(uuid.NAMESPACE_OID, f"{run.run_id} {image.class_name}")
            stem = f"{key}+step+{image.step}+timestamp+{run.started}+{one}"
            (place / "images" / f"{stem}.png").write_bytes(image.full)
            (place / "images" / f"{stem}+compressed.webp").write_bytes(image.small)
        if is_server(client.tracking_uri):
            send_files(client, run.run_id, [*_placed(place)])
        else:
            client.log_artifacts(run.run_id, made)
    return bool(found)


def _placed(top: Path) -> Iterator[Placed]:
    for path in sorted(top.rglob("*")):
        if path.is_file():
            below = path.parent.relative_to(top).as_posix()
            yield path, None if below == "." else below
