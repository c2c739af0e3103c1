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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Record
from orchestration.records.map_images import IMAGES, images_in
from orchestration.tracking.address import is_server
from orchestration.tracking.mlflow.connection import MlflowClient
from orchestration.tracking.mlflow.image_names import image_key
from orchestration.tracking.mlflow.own_runs import Known

LOGGED = {"mlflow.loggedImages": "True"}
"""By which MLflow's view knows that a run has images."""

AT_ONCE = 8
"""Files on their way to a server."""


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
            _send_side_by_side(client, run.run_id, place)
        else:
            client.log_artifacts(run.run_id, made)
    return bool(found)


def _send_side_by_side(client: MlflowClient, run_id: str, place: Path) -> None:
    """A server takes files one by one, and most of the time is spent waiting for it. Of one that is
    away no more is asked than what is on its way."""
    first, *every = [path for path in sorted(place.rglob("*")) if path.is_file()]
    _send(client, run_id, first, place)  # MLflow asks once where they go
    with ThreadPoolExecutor(AT_ONCE, "tracking") as pool:
        sent = [pool.submit(_send, client, run_id, path, place) for path in every]
        try:
            for one in sent:
                one.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _send(client: MlflowClient, run_id: str, path: Path, place: Path) -> None:
    below = path.parent.relative_to(place).as_posix()
    client.log_artifact(run_id, str(path), None if below == "." else below)
