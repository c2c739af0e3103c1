"""Drawn inspection photographs: four products, each with normal variation and two kinds of defect.

A scene is a float image (height, width, channels) in 0..1. A defect returns the changed scene and
the pixels that it changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

Scene = np.ndarray
Mask = np.ndarray
Draw = np.random.Generator
Defect = Callable[[Draw, Scene, Mask], tuple[Scene, Mask]]

VISIBLE = 0.35


@dataclass(frozen=True)
class Product:
    """How one class looks: `normal` draws a scene and the area on which a defect may lie."""

    normal: Callable[[Draw], tuple[Scene, Mask]]
    defects: Mapping[str, Defect]
    grey: bool = False


def products() -> dict[str, Product]:
    """The four synthetic classes by name."""
    return {
        "capsule": Product(_capsule, {"contamination": _contamination, "crack": _crack}),
        "fabric": Product(_fabric, {"pulled_thread": _pulled_thread, "stain": _stain}),
        "washer": Product(_washer, {"chip": _chip, "scratch": _scratch}, grey=True),
        "wood": Product(_wood, {"hole": _hole, "scratch": _scratch}),
    }


def _coordinates(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[0:height, 0:width].astype(float)
    return rows - height / 2, columns - width / 2


def _turned(
    y: np.ndarray, x: np.ndarray, degrees: float, dy: float, dx: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along and across an object that is shifted by (dy, dx) and turned."""
    angle = np.deg2rad(degrees)
    y, x = y - dy, x - dx
    return y * np.cos(angle) - x * np.sin(angle), y * np.sin(angle) + x * np.cos(angle)


def _smooth_noise(draw: Draw, height: int, width: int, down: float, across: float) -> Mask:
    """Gaussian noise of unit variance, smooth over so many pixels down and across."""
    noise = gaussian_filter(draw.normal(size=(height, width)), (down, across), mode="wrap")
    return noise / noise.std()


def _edge(distance: np.ndarray, softness: float = 0.8) -> np.ndarray:
    """1 inside (distance < 0), 0 outside, smooth over about a pixel."""
    return np.clip(0.5 - distance / (2 * softness), 0, 1)


def _blend(scene: Scene, colour: Scene | np.ndarray | tuple[float, ...], weight: Mask) -> Scene:
    return scene + weight[..., None] * (np.asarray(colour) - scene)


def _photograph(draw: Draw, scene: Scene) -> Scene:
    """Uneven light, exposure and sensor noise."""
    height, width = scene.shape[:2]
    y, x = _coordinates(height, width)
    slope = draw.normal(0, 0.03, 2)
    light = draw.normal(1, 0.025) + slope[0] * y / height + slope[1] * x / width
    return scene * light[..., None] + draw.normal(0, 0.008, scene.shape)


def _fabric(draw: Draw) -> tuple[Scene, Mask]:
    size = 144
    y, x = _turned(*_coordinates(size, size), draw.normal(0, 1.2), *draw.uniform(-8, 8, 2))
    pitch = 12 * draw.normal(1, 0.012)
    y = y + 0.5 * _smooth_noise(draw, size, size, 14.0, 14.0)
    x = x + 0.5 * _smooth_noise(draw, size, size, 14.0, 14.0)
    warp, weft = np.cos(2 * np.pi * x / pitch), np.cos(2 * np.pi * y / pitch)
    over = np.cos(np.pi * x / pitch) * np.cos(np.pi * y / pitch) > 0
    thread = np.where(over, 0.5 + 0.5 * warp, 0.5 + 0.5 * weft)
    slub = _smooth_noise(draw, size, size, 1.0, 7.0) * 0.018
    fibre = draw.normal(0, 0.02, (size, size))
    colour = np.where(over[..., None], (0.36, 0.44, 0.60), (0.58, 0.62, 0.68))
    scene = colour * (0.50 + 0.55 * thread + slub + fibre)[..., None]
    return _photograph(draw, scene), np.ones((size, size), bool)


def _wood(draw: Draw) -> tuple[Scene, Mask]:
    height, width = 128, 160
    y, x = _coordinates(height, width)
    bend = draw.normal(0, 4) * np.sin(x / 60 + draw.uniform(0, 6))
    warped = y + bend + 2.0 * _smooth_noise(draw, height, width, 10.0, 45.0)
    rings = np.sin(2 * np.pi * (warped + draw.uniform(0, 40)) / (11 * draw.normal(1, 0.10)))
    grain = _smooth_noise(draw, height, width, 0.7, 12.0)
    pores = np.clip(_smooth_noise(draw, height, width, 0.6, 4.0) - 2.0, 0, 1)
    tone = draw.normal(0.785, 0.025) + 0.07 * rings + 0.035 * grain - 0.24 * pores
    scene = tone[..., None] ** np.array([1.0, 1.5, 2.3]) * (0.88, 0.74, 0.56)
    return _photograph(draw, scene), np.ones((height, width), bool)


def _washer(draw: Draw) -> tuple[Scene, Mask]:
    size = 152
    y, x = _turned(*_coordinates(size, size), draw.normal(0, 6), *draw.uniform(-2, 2, 2))
    scale = draw.normal(1, 0.012)
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    outer, inner = 58 * scale, 27 * scale
    ring = _edge(np.maximum(radius - outer, inner - radius))
    bevel = _edge(np.minimum(outer - radius, radius - inner) - 4, 2.5)
    turning = np.interp(radius, np.arange(size), draw.normal(0, 0.018, size))
    sheen = 0.10 * np.cos(2 * angle) + 0.04 * np.cos(4 * angle + 1)
    metal = 0.62 + sheen + turning - 0.16 * bevel
    table = 0.17 + 0.012 * _smooth_noise(draw, size, size, 2.0, 2.0)
    shadow = 0.10 * gaussian_filter(np.roll(ring, (4, 4), (0, 1)), 4)
    scene = _blend((table - shadow)[..., None], metal[..., None], ring)
    return _photograph(draw, scene), (radius < outer - 5) & (radius > inner + 5)


def _capsule(draw: Draw) -> tuple[Scene, Mask]:
    size = 144
    y, x = _turned(*_coordinates(size, size), draw.normal(0, 2.5), *draw.uniform(-3, 3, 2))
    length, radius = 34 * draw.normal(1, 0.012), 26 * draw.normal(1, 0.012)
    along = np.maximum(np.abs(x) - length, 0)
    distance = np.hypot(y, along) - radius
    body = _edge(distance)
    round_off = np.sqrt(np.clip(1 - ((distance + radius) / radius) ** 2, 0, 1))
    shade = 0.45 + 0.55 * round_off
    half = _edge(x - draw.normal(0, 1.0), 1.0)[..., None]
    colour = half * (0.78, 0.24, 0.18) + (1 - half) * (0.86, 0.78, 0.52)
    seam = 0.12 * np.exp(-((x + 2) ** 2) / 4)
    gloss = 0.35 * np.exp(-((y + 0.45 * radius) ** 2) / 14) * _edge(np.abs(x) - length, 6.0)
    print_ = _edge(np.abs(np.hypot(x - 22, y - 2) - 8) - 1.4) * 0.5
    surface = colour * (shade - seam - print_ * shade)[..., None] + gloss[..., None]
    felt = 0.88 + 0.012 * _smooth_noise(draw, size, size, 1.5, 1.5)
    shadow = 0.22 * gaussian_filter(np.roll(body, (5, 3), (0, 1)), 4)
    scene = _blend((felt - shadow)[..., None] * (0.96, 0.98, 1.0), surface, body)
    return _photograph(draw, scene), distance < -5


def _somewhere(draw: Draw, area: Mask, margin: int = 14) -> tuple[int, int]:
    """A pixel (row, column) of the area, away from the border of the picture."""
    inner = area[margin:-margin, margin:-margin]
    row, column = draw.choice(np.argwhere(inner))
    return int(row) + margin, int(column) + margin


def _blob(draw: Draw, shape: tuple[int, int], centre: tuple[int, int], radius: float) -> Mask:
    """Weight of an irregular, roughly round patch."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    y, x = rows - centre[0], columns - centre[1]
    angle = np.arctan2(y, x)
    rim = np.ones(shape)
    for lobes in (2, 3, 5):
        rim += draw.normal(0, 0.16 / np.sqrt(lobes)) * np.cos(lobes * angle + draw.uniform(0, 6.3))
    return _edge(np.hypot(y, x) - radius * rim, 1.2)


def _line(
    draw: Draw,
    shape: tuple[int, int],
    start: tuple[int, int],
    length: float,
    width: float,
    bend: float,
) -> Mask:
    """Weight of a wandering line that is centred on `start`; `bend` in radians per pixel."""
    steps = int(length * 2)
    heading = draw.uniform(0, 2 * np.pi) + np.cumsum(draw.normal(0, bend, steps))
    path = np.stack([np.sin(heading), np.cos(heading)], axis=1).cumsum(axis=0) / 2
    path += np.asarray(start) - path[steps // 2]
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    away = np.full(shape, np.inf)
    for row, column in path:
        np.minimum(away, (rows - row) ** 2 + (columns - column) ** 2, out=away)
    return _edge(np.sqrt(away) - width / 2, 0.7)


def _kept_on(area: Mask, weight: Mask) -> Mask:
    return weight * area


def _stain(draw: Draw, scene: Scene, area: Mask) -> tuple[Scene, Mask]:
    spot = _blob(draw, area.shape, _somewhere(draw, area, 24), draw.uniform(8, 20))
    colour = scene * (0.62, 0.48, 0.32) + (0.05, 0.03, 0.0)
    return _blend(scene, colour, spot * draw.uniform(0.55, 1.0)), spot > VISIBLE


def _pulled_thread(draw: Draw, scene: Scene, area: Mask) -> tuple[Scene, Mask]:
    line = _line(draw, area.shape, _somewhere(draw, area, 30), draw.uniform(35, 90), 4.0, 0.06)
    colour = np.array([0.86, 0.84, 0.80]) * draw.uniform(0.85, 1.05)
    shadow = np.roll(line, (2, 2), (0, 1)) * 0.4
    return _blend(scene * (1 - shadow)[..., None], colour, line), (line > VISIBLE) | (shadow > 0.2)


def _hole(draw: Draw, scene: Scene, area: Mask) -> tuple[Scene, Mask]:
    centre = _somewhere(draw, area, 20)
    radius = draw.uniform(3.0, 8.0)
    bore = _blob(draw, area.shape, centre, radius)
    rim = np.roll(bore, (2, 2), (0, 1)) * (1 - bore)
    scene = _blend(scene, scene * 1.15, rim)
    return _blend(scene, scene * draw.uniform(0.3, 0.62), bore), (bore > VISIBLE) | (rim > VISIBLE)


def _scratch(draw: Draw, scene: Scene, area: Mask) -> tuple[Scene, Mask]:
    length, width = draw.uniform(20, 65), draw.uniform(1.8, 4.2)
    line = _kept_on(area, _line(draw, area.shape, _somewhere(draw, area), length, width, 0.03))
    burr = _kept_on(area, np.roll(line, (2, 0), (0, 1))) * (1 - line)
    bright = _blend(scene, np.clip(scene * 1.3, 0, 1), burr)
    return _blend(bright, scene * draw.uniform(0.3, 0.65), line), (line > VISIBLE) | (
        burr > VISIBLE
    )


def _chip(draw: Draw, scene: Scene, area: Mask) -> tuple[Scene, Mask]:
    """A piece broken out of the outer rim: the table shows there."""
    centre = np.argwhere(area).mean(axis=0)
    angle, reach = draw.uniform(0, 2 * np.pi), 58 + draw.uniform(-3, 3)
    row, column = (centre + reach * np.array([np.sin(angle), np.cos(angle)])).round().astype(int)
    bite = _blob(draw, area.shape, (int(row), int(column)), draw.uniform(7, 15))
    bite = bite * (gaussian_filter(scene[..., 0], 1) > 0.3)
    table = 0.13 + 0.012 * _smooth_noise(draw, area.shape[0], area.shape[1], 2.0, 2.0)
    return _blend(scene, table[..., None], bite), bite > VISIBLE


def _contamination(draw: Draw, scene: Scene, area: Mask) -> tuple[Scene, Mask]:
    spots = np.zeros(area.shape)
    for _ in range(int(draw.integers(1, 4))):
        spot = _blob(draw, area.shape, _somewhere(draw, area), draw.uniform(3, 9))
        spots = np.maximum(spots, _kept_on(area, spot))
    colour = np.array([0.16, 0.20, 0.14]) * draw.uniform(0.7, 1.6)
    return _blend(scene, colour, spots * draw.uniform(0.6, 0.95)), spots > VISIBLE


def _crack(draw: Draw, scene: Scene, area: Mask) -> tuple[Scene, Mask]:
    crack = np.zeros(area.shape)
    start = _somewhere(draw, area)
    for _ in range(2):
        branch = _line(draw, area.shape, start, draw.uniform(20, 48), draw.uniform(1.8, 3.2), 0.16)
        crack = np.maximum(crack, _kept_on(area, branch))
    return _blend(scene, scene * draw.uniform(0.2, 0.45), crack), crack > VISIBLE
