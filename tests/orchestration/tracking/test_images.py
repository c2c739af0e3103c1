"""A trial's anomaly maps as MLflow's view shows images."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.records.map_images import IMAGES, write_images
from orchestration.records.map_sheets import CHANGED, EARLIER, PLACES, SHEET, SHOWN, TILES
from orchestration.studies.expansion import Trial
from orchestration.tracking.mlflow.image_names import image_key
from orchestration.tracking.mlflow.naming import called
from orchestration.tracking.mlflow.own_runs import Known
from orchestration.tracking.mlflow.saved_view import saved_view
from orchestration.tracking.mlflow.trial_files import log_files
from tests.orchestration.tracking.stores import end_trial, small_plan

SIDE = 8
CLASSES = ("bottle", "瓶 a~b", "wood")
KNOWN = Known("run", "name", "RUNNING", 5000, None, frozenset(), {})


class Files:
    """Stands for a client: artifacts as a store keeps them, a file of one name once."""

    def __init__(self) -> None:
        self.tracking_uri = "sqlite:///"
        self.kept: dict[str, bytes] = {}
        """Images alone."""
        self.others: set[str] = set()

    def log_artifacts(self, run_id: str, place: str) -> None:
        assert run_id == KNOWN.run_id
        every = [path for path in Path(place).rglob("*") if path.is_file()]
        sent = {path.relative_to(place).as_posix(): path.read_bytes() for path in every}
        self.kept |= {name: content for name, content in sent.items() if "images/" in name}
        self.others = sent.keys() - self.kept.keys()


def leave_sheet(root: Root, trial: Trial, shade: int = 0, changed: str = "") -> None:
    """As a trial does: of each class four pictures, each of three tiles of one colour; of one class
    the worst picture had another map, the mask's colour, and so had one more picture."""
    folder = root.study(trial.study).artifacts(trial.key)
    folder.mkdir(parents=True, exist_ok=True)
    height, width = len(CLASSES) * len(TILES) * SIDE, len(SHOWN) * SIDE
    sheet = Image.new("RGB", (width, height))
    with (folder / PLACES).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        head = ["class", "why", "picture", "above_good", "size", "left", *TILES]
        writer.writerow([*head, EARLIER] if changed else head)
        for i, name in enumerate(CLASSES):
            for j, why in enumerate(SHOWN):
                tops = [(i * len(TILES) + k) * SIDE for k in range(len(TILES))]
                for k, top in enumerate(tops):
                    colour = (50 * k + shade, 50 * j, 50 * i)
                    sheet.paste(colour, (j * SIDE, top, (j + 1) * SIDE, top + SIDE))
                row = [f"{why}.png", 0.5, SIDE, j * SIDE, *tops]
                earlier = tops[-1] if (name, why) == (changed, "worst") else ""
                writer.writerow([name, why, *row, *([earlier] if changed else [])])
                if earlier:
                    writer.writerow([name, CHANGED, *row, earlier])
    sheet.save(folder / SHEET)


def images_of(name: str, files: Files) -> dict[int, np.ndarray]:
    """Of a class by step, as they are in full."""
    key = f"{called(name)}+"
    found = [path for path in files.kept if path.split("~")[1].startswith(key) and "png" in path]
    return {
        int(path.split("+")[2]): np.asarray(
            Image.open(io.BytesIO(files.kept[path])).convert("RGB"), dtype=int
        )
        for path in found
    }


def unlike(one: np.ndarray, other: np.ndarray) -> set[tuple[int, int]]:
    """Tiles that differ, by row and column."""
    assert one.shape == other.shape == ((len(SHOWN) + 1) * SIDE, len(TILES) * SIDE, 3)
    apart = np.abs(one - other).reshape(-1, SIDE, len(TILES), SIDE, 3).max(axis=(1, 3, 4))
    return {(int(j), int(k)) for j, k in zip(*np.nonzero(apart > 8), strict=True)}


@pytest.fixture
def trial(root: Root) -> Trial:
    one = small_plan(root, classes=CLASSES, axes=(), seeds=(0,)).trials[0]
    end_trial(root, one)
    return one


def logged(root: Root, trial: Trial, files: Files) -> bool:
    folder = root.study(trial.study)
    record = Ledger(folder).read(trial.key)
    assert record is not None
    return log_files(files, KNOWN, record, folder)  # pyright: ignore[reportArgumentType]


def test_every_class_has_one_image_at_the_last_step_in_the_layout_of_log_image(
    root: Root, trial: Trial
) -> None:
    leave_sheet(root, trial)
    files = Files()
    assert logged(root, trial, files)
    assert len(files.kept) == 2 * len(CLASSES)
    keys = {image_key(name).replace("/", "~") for name in CLASSES}
    for path in files.kept:
        key, step, number, timestamp, at, name, *small = Path(path).stem.split("+")
        assert path.startswith("images/anomaly_maps~") and key in keys
        assert (step, number, timestamp, at) == ("step", "3", "timestamp", "5000")
        assert len(name) == 36
        assert (small, Path(path).suffix) in ((["compressed"], ".webp"), ([], ".png"))
    assert {Path(path).name.partition("+")[0] for path in files.kept} == keys


def test_an_image_shows_photograph_map_and_mask_of_the_pictures_that_reports_show(
    root: Root, trial: Trial
) -> None:
    leave_sheet(root, trial)
    files = Files()
    logged(root, trial, files)
    (shown,) = images_of("wood", files).values()
    assert shown.shape == (len(SHOWN) * SIDE, len(TILES) * SIDE, 3)
    for j in range(len(SHOWN)):
        for k in range(len(TILES)):
            tile = shown[j * SIDE : (j + 1) * SIDE, k * SIDE : (k + 1) * SIDE]
            assert np.abs(tile - (50 * k, 50 * j, 50 * CLASSES.index("wood"))).max() <= 4


def test_a_class_that_later_tasks_changed_has_an_image_at_the_step_of_its_own_task_too(
    root: Root, trial: Trial
) -> None:
    name = trial.sequence[0][0]
    leave_sheet(root, trial, changed=name)
    files = Files()
    assert logged(root, trial, files)
    assert len(files.kept) == 2 * (len(CLASSES) + 2)
    shown = images_of(name, files)
    assert set(shown) == {0, 1, len(CLASSES)}
    every, worst = range(len(SHOWN) + 1), SHOWN.index("worst")
    maps = TILES.index("map")
    assert unlike(shown[1], shown[len(CLASSES)]) == {(worst, maps), (len(SHOWN), maps)}
    assert unlike(shown[0], shown[1]) == {(row, maps) for row in every}


def pack(root: Root, trial: Trial) -> Path:
    """As a trial does after its sheet; returns where."""
    folder = root.study(trial.study).artifacts(trial.key)
    with Image.open(folder / SHEET) as sheet:
        write_images(folder, sheet.convert("RGB"), trial.sequence)
    return folder / IMAGES


def test_images_that_a_trial_encoded_are_sent_as_they_are_and_are_those_of_its_sheet(
    root: Root, trial: Trial
) -> None:
    """Records of before have a sheet alone."""
    leave_sheet(root, trial, changed=trial.sequence[0][0])
    of_sheet, encoded = Files(), Files()
    assert logged(root, trial, of_sheet)
    packed = pack(root, trial)
    (packed.parent / SHEET).write_bytes(b"")  # is not read
    assert logged(root, trial, encoded)
    assert len(of_sheet.kept) == 2 * (len(CLASSES) + 2)
    assert encoded.kept == of_sheet.kept
    assert encoded.others == of_sheet.others == {f"{trial.key}.json", PLACES, SHEET}


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied"])
def test_images_that_were_damaged_are_made_anew_from_the_sheet(
    root: Root, trial: Trial, damage: str
) -> None:
    leave_sheet(root, trial)
    whole, again = Files(), Files()
    assert logged(root, trial, whole)
    packed = pack(root, trial)
    content = bytearray(packed.read_bytes())
    content[len(content) // 2] ^= 1
    packed.write_bytes({"cut": content[:-9], "flipped": content, "emptied": b""}[damage])
    assert logged(root, trial, again)
    assert again.kept == whole.kept


def test_a_later_attempt_s_images_take_the_place_of_those_before(root: Root, trial: Trial) -> None:
    files = Files()
    for shade in (0, 0, 90):
        leave_sheet(root, trial, shade)
        logged(root, trial, files)
    other = Files()
    logged(root, trial, other)
    assert files.kept == other.kept


@pytest.mark.parametrize("damage", ["none", "sheet", "places", "share"])
def test_a_trial_whose_maps_are_lost_or_damaged_has_no_images(
    root: Root, trial: Trial, damage: str
) -> None:
    folder = root.study(trial.study).artifacts(trial.key)
    if damage != "none":
        leave_sheet(root, trial)
        place = folder / (SHEET if damage == "sheet" else PLACES)
        whole = place.read_bytes()
        place.write_bytes(whole.replace(b",0.5,", b",nan,") if damage == "share" else whole[:60])
    files = Files()
    assert not logged(root, trial, files)
    assert files.kept == {}


def test_a_saved_view_shows_images_of_15_classes_at_the_last_step(root: Root):
    classes = [f"class {n:02}" for n in range(15)]
    _, value = saved_view(small_plan(root, classes=classes), made=10**12)
    state = json.loads(json.loads(value)["state"])
    charts = state["compareRunCharts"]
    assert [chart["imageKeys"] for chart in charts] == [[image_key(name)] for name in classes]
    assert {(chart["step"], chart["showRunParams"]) for chart in charts} == {(15, False)}
    sections = {section["uuid"] for section in state["compareRunSections"]}
    assert {chart["metricSectionId"] for chart in charts} < sections
