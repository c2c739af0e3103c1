"""Pictures of a few kilobytes, for studies that must be real and may know nothing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from moleflow.streams import numpy_stream


def draw_pictures(root: Path, classes: Sequence[str], size: int = 48, masks: bool = True) -> Path:
    """Classes in MVTec layout: four pictures to learn from, two good and two with a hole."""
    draws = numpy_stream("small pictures")
    for number, name in enumerate(classes):
        for split, defect, count in (
            ("train", "good", 4),
            ("test", "good", 2),
            ("test", "hole", 2),
        ):
            folder = root / name / split / defect
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = draws.normal(60 + 40 * number, 20, size=(size, size, 3))
                mask = np.zeros((size, size), dtype=np.uint8)
                if defect == "hole":
                    mask[10:24, 12:30] = 255
                    pixels[mask > 0] += 70
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
                if defect == "hole" and masks:
                    truth = root / name / "ground_truth" / defect
                    truth.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(mask).save(truth / f"{i}_mask.png")
    return root
