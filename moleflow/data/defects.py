"""Defects drawn on a normal picture, to measure with where nobody may look at real ones.

They are drawn on the square that a model sees. Sources: cut-paste and scars after Li et al. (CVPR
2021), patches of noise as in DRAEM (Zavrtanik et al., ICCV 2021), both simplified.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.ndimage import gaussian_filter

from moleflow.types import Bool, UInt8

Pixels = UInt8[np.ndarray, "s s 3"]
Mask = Bool[np.ndarray, "s s"]
Draw = np.random.Generator

VISIBLE = 8.0
"""Mean change of a defect's pixels, in levels of 255, that is looked for."""
TRIES = 20


def drawn_defect(kind: str, pixels: Pixels, draw: Draw) -> tuple[Pixels, Mask]:
    """A copy with one defect, and where it is. Of some drawings the first that can be seen, else
    the one that can be seen best: the same cut from a plain background changes nothing."""
    best: tuple[float, Pixels, Mask] | None = None
    for _ in range(TRIES):
        changed, mask = KINDS[kind](pixels, draw)
        change = float(np.abs(changed[mask].astype(float) - pixels[mask]).mean())
        if best is None or change > best[0]:
            best = change, changed, mask
        if change >= VISIBLE:
            break
    assert best is not None
    return best[1], best[2]


def _cut_paste(pixels: Pixels, draw: Draw) -> tuple[Pixels, Mask]:
    """A rectangle of the picture, in another place."""
    side = len(pixels)
    area, ratio = draw.uniform(0.01, 0.06), np.exp(draw.uniform(-1.0, 1.0))
    height = _between(side * np.sqrt(area * ratio), 2, side // 2)
    width = _between(side * np.sqrt(area / ratio), 2, side // 2)
    y, x = _place(draw, side, height), _place(draw, side, width)
    from_y, from_x = _place(draw, side, height), _place(draw, side, width)
    changed, mask = pixels.copy(), np.zeros((side, side), dtype=bool)
    there = np.s_[y : y + height, x : x + width]
    changed[there] = pixels[from_y : from_y + height, from_x : from_x + width]
    mask[there] = True
    return changed, mask


def _noise(pixels: Pixels, draw: Draw) -> tuple[Pixels, Mask]:
    """A blot with noise and another colour mixed in."""
    side = len(pixels)
    field = gaussian_filter(draw.standard_normal((side, side)), side * draw.uniform(0.02, 0.06))
    radius = side * draw.uniform(0.06, 0.15)
    y, x = draw.uniform(radius, side - radius, size=2)
    rows, columns = np.ogrid[:side, :side]
    near = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
    mask = near & (field >= np.quantile(field[near], 0.4))
    grain = gaussian_filter(draw.standard_normal(pixels.shape), (1, 1, 0)) * 60
    other = pixels[mask].mean(axis=0) + draw.uniform(-60, 60, size=3) + grain
    share = draw.uniform(0.3, 0.8)
    return _mixed(pixels, other, mask, share), mask


def _scar(pixels: Pixels, draw: Draw) -> tuple[Pixels, Mask]:
    """A long, thin, turned stroke of another brightness."""
    side = len(pixels)
    length, width = side * draw.uniform(0.1, 0.3), max(1.5, side * draw.uniform(0.01, 0.025))
    angle = draw.uniform(0, np.pi)
    y, x = draw.uniform(0.1 * side, 0.9 * side, size=2)
    rows, columns = np.mgrid[:side, :side]
    along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    mask = (np.abs(along) <= length / 2) & (np.abs(across) <= width / 2)
    level = draw.choice([-1.0, 1.0]) * draw.uniform(30, 90)
    return _mixed(pixels, pixels + level, mask, draw.uniform(0.5, 1.0)), mask


KINDS: Mapping[str, Callable[[Pixels, Draw], tuple[Pixels, Mask]]] = {
    "cut_paste": _cut_paste,
    "noise": _noise,
    "scar": _scar,
}


def _mixed(pixels: Pixels, other: np.ndarray, mask: Mask, share: float) -> Pixels:
    mixed = (1 - share) * pixels[mask] + share * other[mask]
    changed = pixels.copy()
    changed[mask] = mixed.round().clip(0, 255).astype(np.uint8)
    return changed


def _between(value: float, low: int, high: int) -> int:
    return int(min(max(round(value), low), high))


def _place(draw: Draw, side: int, length: int) -> int:
    return int(draw.integers(0, side - length, endpoint=True))
