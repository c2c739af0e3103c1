"""A small inspection data set without a download: four drawn classes in MVTec layout."""

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from moleflow.data.scenes import Product, products
from moleflow.errors import DataError
from moleflow.streams import numpy_stream

VERSION = 1
MARKER = "synthetic.json"
TRAIN_GOOD = 20
TEST_GOOD = 10
TEST_PER_DEFECT = 6


def make_synthetic(root: Path, seed: int = 0) -> Path:
    """Draw the data set below `root` and return `root`; a complete one is left as it is.

    Built beside `root` and renamed, so that `root` never holds half of it. Every picture has its
    own stream, named by seed, class, folder and number.

    Raises:
        DataError: `root` holds something else, another seed or version, or was changed since.
    """
    if _occupied(root):
        _check_complete(root, seed)
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}-") as aside:
        built = Path(aside) / root.name
        for name, product in products().items():
            _draw_class(built / name, product, seed)
        (built / MARKER).write_text(json.dumps(_marker(built, seed), indent=2) + "\n")
        try:
            built.rename(root)
        except OSError:
            if not _occupied(root):
                raise
            # Someone else was faster; theirs must be the same.
            _check_complete(root, seed)
    return root


def synthetic_pictures() -> dict[str, tuple[int, int]]:
    """By class, how many pictures it has for training and for tests."""
    return {
        name: (TRAIN_GOOD, TEST_GOOD + TEST_PER_DEFECT * len(product.defects))
        for name, product in products().items()
    }


def _draw_class(folder: Path, product: Product, seed: int) -> None:
    folders = {"train/good": TRAIN_GOOD, "test/good": TEST_GOOD}
    folders |= {f"test/{defect}": TEST_PER_DEFECT for defect in product.defects}
    for place, count in folders.items():
        target = folder / place
        target.mkdir(parents=True)
        defect = product.defects.get(target.name)
        for number in range(count):
            draw = numpy_stream(seed, "synthetic", folder.name, place, number)
            scene, area = product.normal(draw)
            if defect is not None:
                scene, mask = defect(draw, scene, area)
                masks = folder / "ground_truth" / target.name
                masks.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask.astype(np.uint8) * 255).save(masks / f"{number:03d}_mask.png")
            _eight_bit(scene, product.grey).save(target / f"{number:03d}.png")


def _eight_bit(scene: np.ndarray, grey: bool) -> Image.Image:
    pixels = (np.clip(scene, 0, 1) * 255).round().astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if grey else pixels)


def _marker(root: Path, seed: int) -> dict[str, int | str]:
    digest = hashlib.sha256()
    for file in sorted(root.glob("*/**/*.png")):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(root).as_posix()}\0{content}\0".encode())
    return {"version": VERSION, "seed": seed, "sha256": digest.hexdigest()}


def _occupied(root: Path) -> bool:
    return root.exists() and not (root.is_dir() and not any(root.iterdir()))


def _check_complete(root: Path, seed: int) -> None:
    remedy = "choose another folder, or remove this one to have it drawn again"
    marker = root / MARKER
    if not marker.is_file():
        raise DataError(
            f"{root}: is not empty and not the synthetic data set; choose another folder"
        )
    if marker.read_text() != json.dumps(_marker(root, seed), indent=2) + "\n":
        raise DataError(
            f"{root}: holds a synthetic data set of another seed or version, or one that was "
            f"changed; {remedy}"
        )
