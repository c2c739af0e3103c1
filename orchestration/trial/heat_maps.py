"""Anomaly maps as pictures."""

import matplotlib as mpl
import numpy as np
from PIL import Image

OVERLAY_WEIGHT = 0.5


def heat(values: np.ndarray) -> Image.Image:
    """Values in [0, 1] (H, W), clipped, in the colours of inferno."""
    rgba = mpl.colormaps["inferno"](np.clip(values, 0, 1), bytes=True)
    return Image.fromarray(rgba[..., :3])


def overlay(photograph: Image.Image, values: np.ndarray) -> Image.Image:
    """The map in colours, half transparent, over the photograph that it belongs to."""
    size = (values.shape[1], values.shape[0])
    return Image.blend(photograph.resize(size), heat(values), OVERLAY_WEIGHT)
