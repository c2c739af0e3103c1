"""What is believed of files without reading them: nothing that a changed file could still show."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moleflow.data.catalog import ClassData, fingerprint, open_catalog
from moleflow.data.dataset_layout import MAX_NAMED
from moleflow.data.findings import Findings
from orchestration.doctor.checks import judge_content
from orchestration.records import dataset
from orchestration.records.dataset import checked, checked_fingerprint, kept_fingerprint
from orchestration.records.layout import Root

LONG_AGO = 10**18
"""A date of a file, in ns."""


def _save(path: Path, value: int, rows: int = 8) -> None:
    """A picture or mask whose file has the same size and date whatever its grey.

    Args:
        rows: that are grey; those below are black.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:rows] = value
    Image.fromarray(pixels).save(path.with_suffix(".bmp"))
    os.utime(path.with_suffix(".bmp"), ns=(LONG_AGO, LONG_AGO))


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root.at(tmp_path / "runs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place, value in (("train/good/0", 1), ("train/good/1", 2), ("test/good/0", 3)):
        _save(tmp_path / "data/bottle" / place, value)
    _save(tmp_path / "data/bottle/test/bad/0", 4)
    _save(tmp_path / "data/bottle/ground_truth/bad/0_mask", 255, rows=7)
    return tmp_path / "data/bottle"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of classes, each time that their files are decoded."""
    names: list[str] = []
    real = dataset.check_pictures

    def counting(data: ClassData, progress: Callable[[int], None] | None = None) -> Findings:
        names.append(data.name)
        return real(data, progress)

    monkeypatch.setattr(dataset, "check_pictures", counting)
    return names


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are believed at once."""
    monkeypatch.setattr(dataset, "SETTLED", -60.0)


def _bottle(folder: Path) -> ClassData:
    return open_catalog(folder.parent)["bottle"]


def _change(path: Path) -> None:
    """Other pixels in place, with size and date of before; later than the clock of files shows."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.write_bytes(content)
        os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.parametrize("name", ["train/good/1.bmp", "test/bad/0.bmp"])
@pytest.mark.usefixtures("settled")
def test_a_file_that_changed_is_read_again_though_it_keeps_its_size_and_date(
    folder: Path, root: Root, name: str
) -> None:
    before = checked_fingerprint(_bottle(folder), root)
    _change(folder / name)
    assert kept_fingerprint(_bottle(folder), root) is None
    after = checked_fingerprint(_bottle(folder), root)
    assert after == fingerprint(_bottle(folder)) != before


@pytest.mark.usefixtures("settled")
def test_a_file_that_took_the_place_of_another_is_read(folder: Path, root: Root) -> None:
    before = checked_fingerprint(_bottle(folder), root)
    one, two = folder / "train/good/0.bmp", folder / "train/good/1.bmp"
    one.rename(folder / "aside")
    two.rename(one)
    (folder / "aside").rename(two)
    assert checked_fingerprint(_bottle(folder), root) != before


@pytest.mark.usefixtures("settled")
def test_files_that_are_as_they_were_are_neither_decoded_nor_read(
    folder: Path, root: Root, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = checked_fingerprint(_bottle(folder), root)
    monkeypatch.delattr(dataset, "fingerprint")
    assert checked_fingerprint(_bottle(folder), root) == before
    assert decoded == ["bottle"]


@pytest.mark.usefixtures("settled")
def test_two_appearances_of_the_same_files_are_both_believed_and_decoded_once(
    folder: Path, root: Root, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where two nodes have copies, or a network file system shows each of them other dates."""
    data, real, node = _bottle(folder), dataset.appearance, "a"
    monkeypatch.setattr(dataset, "appearance", lambda d: real(d)._replace(name=real(d).name + node))
    before = checked_fingerprint(data, root)
    node = "b"
    assert kept_fingerprint(data, root) is None
    assert checked_fingerprint(data, root) == before
    assert kept_fingerprint(data, root) == before
    node = "a"
    assert kept_fingerprint(data, root) == before
    assert decoded == ["bottle"]


def test_files_that_were_written_just_now_are_not_believed(
    folder: Path, root: Root, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their next content could come within the same tick of the clock that files are dated by."""
    monkeypatch.setattr(dataset, "SETTLED", 600.0)
    before = checked_fingerprint(_bottle(folder), root)
    assert kept_fingerprint(_bottle(folder), root) is None
    assert checked_fingerprint(_bottle(folder), root) == before
    assert decoded == ["bottle"]


def test_what_makes_numbers_wrong_is_told_to_a_study_too_and_not_without_end(
    folder: Path, root: Root
) -> None:
    for number in range(15):
        _save(folder / f"test/good/leak{number}", 1)
    _save(folder / "test/good/same", 4)
    _save(folder / "ground_truth/good/0_mask", 255)
    told = checked(_bottle(folder), root).told
    assert sum("training sees a test picture" in line for line in told) == MAX_NAMED
    assert "and 7 more; see moleflow data check" in told


@pytest.mark.usefixtures("settled")
def test_the_doctor_reads_all_content_and_believes_no_list(
    folder: Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system whose dates tell nothing."""
    real = dataset.appearance(_bottle(folder))
    monkeypatch.setattr(dataset, "appearance", lambda data: real)
    checked_fingerprint(_bottle(folder), root)
    assert judge_content(folder.parent, root).state == "ok"
    _change(folder / "train/good/1.bmp")
    found = judge_content(folder.parent, root)
    assert found.state == "problem" and "bottle" in found.found
    assert str(root.checked) in found.remedy
