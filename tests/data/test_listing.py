"""Laws of what counts as a picture in a folder: the same for training and for prediction."""

from collections.abc import Callable
from pathlib import Path

import pytest

from moleflow.data.catalog import open_catalog, open_training
from moleflow.data.listing import folders, images, images_below
from moleflow.errors import DataError
from orchestration.models.predictions import pictures_in

Make = Callable[..., Path]


def _touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_hidden_files_and_folders_of_systems_are_no_pictures(tmp_path: Path):
    kept = [tmp_path / "a/0.png", tmp_path / "b.JPG"]
    _touch(*kept, tmp_path / "._b.png", tmp_path / "a/.x.png", tmp_path / "notes.txt")
    for name in (".ipynb_checkpoints", "__MACOSX", "@eaDir", "lost+found"):
        _touch(tmp_path / name / "0.png")
    assert images_below(tmp_path) == kept
    assert folders(tmp_path) == [tmp_path / "a"] and images(tmp_path) == [tmp_path / "b.JPG"]


def test_linked_folders_are_followed_and_circles_end(tmp_path: Path):
    _touch(tmp_path / "elsewhere/0.png", tmp_path / "here/1.png")
    (tmp_path / "here/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "here")
    found = images_below(tmp_path / "here")
    assert found == [tmp_path / "here/1.png", tmp_path / "here/linked/0.png"]


def test_what_is_called_like_a_picture_is_not_passed_over_because_it_is_none(tmp_path: Path):
    (tmp_path / "gone.png").symlink_to("nowhere")
    (tmp_path / "folder.png").mkdir()
    assert images(tmp_path) == [tmp_path / "gone.png"]


def test_prediction_takes_what_training_takes(tmp_path: Path, mvtec_class: Make):
    folder = mvtec_class(tmp_path / "bottle") / "train/good"
    _touch(folder / "._000.png", folder / ".ipynb_checkpoints/000-checkpoint.png")
    trained = [picture.path for picture in open_training(tmp_path)["bottle"].train]
    assert pictures_in([folder]) == trained and len(trained) == 3


def test_training_through_a_linked_folder(tmp_path: Path, mvtec_class: Make):
    folder = mvtec_class(tmp_path / "kept/bottle")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/bottle").symlink_to(folder)
    assert len(open_catalog(tmp_path / "data")["bottle"].train) == 3
    assert len(pictures_in([tmp_path / "data"])) == 3 + 3 + 2


def test_a_link_to_nothing_is_not_left_out_of_training(tmp_path: Path, mvtec_class: Make):
    (mvtec_class(tmp_path / "bottle") / "train/good/x.png").symlink_to("gone.png")
    with pytest.raises(DataError, match=r"(?s)restore them.*x\.png: is a link to gone\.png, which"):
        open_training(tmp_path)
