"""Textures: what a surface's brightness does from pixel to pixel, 16 levels, the same in every picture."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Tile = NDArray[np.uint8]

LEVELS = 16
_MIDDLE = 7.5

SCREEN = ("smooth", "grain", "leaves", "bricks", "clouds", "planks")
"""Textures laid over the picture."""
GROUND = ("asphalt", "slabs", "turf")
"""Textures that lie on the ground in perspective."""

KINDS = {name: number for number, name in enumerate((*SCREEN, *GROUND))}

TILE = 256
"""Pixels of a ground tile's side; 64 to the metre."""
PER_METRE = 64


@cache
def screen_tile(name: str, side: int) -> Tile:
    """Levels 0..15 `(side, side)`, from which a picture crops its window at random."""
    rng = np.random.default_rng(sum(name.encode()))
    if name == "smooth":
        return np.full((side, side), int(_MIDDLE), np.uint8)
    if name == "bricks":
        return _bricks(side, rng)
    if name == "planks":
        return _planks(side, rng)
    octaves = {"grain": (1, 2, 4), "leaves": (2, 4, 8), "clouds": (32, 64, 128, 16, 8)}[name]
    spread = {"grain": 1.0, "leaves": 1.0, "clouds": 0.9}[name]
    return _levels(_noise(side, octaves, rng, stretch=3 if name == "clouds" else 1), spread)


@cache
def ground_tile(name: str) -> Tile:
    """Levels 0..15 `(256, 256)` of four metres by four, which repeat without a seam."""
    rng = np.random.default_rng(sum(name.encode()))
    if name == "slabs":
        return _slabs(rng)
    octaves = {"asphalt": (1, 2, 4, 8), "turf": (2, 4, 16)}[name]
    return _levels(_noise(TILE, octaves, rng), 1.0)


def _levels(field: NDArray[np.float64], spread: float) -> Tile:
    scaled = (field - field.mean()) / field.std() * spread * 3.5 + _MIDDLE
    levels: Tile = np.clip(np.rint(scaled), 0, LEVELS - 1).astype(np.uint8)
    return levels


def _noise(side: int, cells: tuple[int, ...], rng: np.random.Generator, stretch: int = 1) -> NDArray[np.float64]:
    """Smooth noise of several grain sizes, larger grains stronger; periodic."""
    field = np.zeros((side, side))
    for cell in cells:
        rows, columns = max(2, side // cell), max(2, side // (cell * stretch))
        field += _enlarge(rng.standard_normal((rows, columns)), side) * cell**0.5
    return field


def _enlarge(coarse: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Periodic linear interpolation of a grid to `(side, side)`."""
    for axis in (0, 1):
        count = coarse.shape[axis]
        where = np.arange(side) * count / side
        low = where.astype(int)
        weight = np.expand_dims(where - low, 1 - axis)
        coarse = np.take(coarse, low, axis) * (1 - weight) + np.take(coarse, (low + 1) % count, axis) * weight
    return coarse


def _bricks(side: int, rng: np.random.Generator) -> Tile:
    rows, columns = np.indices((side, side))
    course = rows // 5
    stone = (columns + course % 2 * 6) // 12
    tone = rng.integers(5, 11, (side, side // 6 + 2))[course, stone]
    joint = (rows % 5 == 0) | ((columns + course % 2 * 6) % 12 == 0)
    return np.where(joint, 14, tone).astype(np.uint8)


def _planks(side: int, rng: np.random.Generator) -> Tile:
    columns = np.arange(side)
    tone = rng.integers(5, 11, side // 7 + 1)[columns // 7] + rng.integers(-1, 2, (side, side))
    return np.where(columns % 7 == 0, 1, tone).astype(np.uint8)


def _slabs(rng: np.random.Generator) -> Tile:
    rows, columns = np.indices((TILE, TILE))
    tone = rng.integers(5, 11, (8, 8))[rows // 32, columns // 32] + rng.integers(-1, 2, (TILE, TILE))
    joint = (rows % 32 < 2) | (columns % 32 < 2)
    return np.where(joint, 1, tone).astype(np.uint8)
