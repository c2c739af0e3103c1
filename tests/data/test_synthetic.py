"""Laws of the synthetic data set."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moleflow.data.catalog import check_pictures, open_catalog
from moleflow.data.scenes import products
from moleflow.data.synthetic import make_synthetic
from moleflow.errors import DataError
from moleflow.streams import numpy_stream

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_synthetic(tmp_path_factory.mktemp("synthetic") / "data")


def _contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_the_layout_passes_the_catalog(drawn: Path):
    catalog = open_catalog(drawn)
    assert list(catalog) == ["capsule", "fabric", "washer", "wood"]
    for data in catalog.values():
        check_pictures(data)
        assert (len(data.train), data.test_good, data.test_anomalous) == (20, 10, 12)
        assert data.has_masks


def test_two_runs_are_byte_identical(drawn: Path, tmp_path: Path):
    assert _contents(make_synthetic(tmp_path / "again")) == _contents(drawn)


def test_a_complete_data_set_is_returned_as_it_is(drawn: Path):
    before = {path: path.stat().st_mtime_ns for path in drawn.rglob("*")}
    assert make_synthetic(drawn) == drawn
    assert {path: path.stat().st_mtime_ns for path in drawn.rglob("*")} == before


def test_another_seed_in_the_same_folder_is_refused(drawn: Path):
    with pytest.raises(DataError, match="another seed"):
        make_synthetic(drawn, seed=1)


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="not the synthetic data set"):
        make_synthetic(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="disk full"):
        make_synthetic(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_the_classes_exercise_the_loader(drawn: Path):
    opened = {name: Image.open(drawn / name / "train/good/000.png") for name in products()}
    assert {name for name, image in opened.items() if image.mode == "L"} == {"washer"}
    assert {name for name, image in opened.items() if image.width != image.height} == {"wood"}
    for image in opened.values():
        image.close()


def test_seeds_give_other_pictures():
    scenes = [products()["fabric"].normal(numpy_stream(seed, "scene"))[0] for seed in (0, 1)]
    assert not np.array_equal(*scenes)


@pytest.mark.parametrize(
    ("name", "defect"), [(n, d) for n, product in products().items() for d in product.defects]
)
def test_a_defect_changes_what_its_mask_marks_and_little_else(name: str, defect: str):
    draw = numpy_stream(0, "scene", name, defect)
    product = products()[name]
    scene, area = product.normal(draw)
    changed, mask = product.defects[defect](draw, scene, area)
    difference = np.abs(changed - scene).max(axis=-1)
    assert mask.any() and mask.mean() < 0.15
    assert difference[mask].mean() > 0.05
    assert difference[mask].sum() > 0.85 * difference.sum()
