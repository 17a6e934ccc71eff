"""A stretch of street: its measures, and everything one needs to draw on it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from segbench.data.streets.camera import Camera
from segbench.data.streets.canvas import Canvas
from segbench.data.streets.light import Light, Rgb, jitter

FAR = 160.0
"""Metres at which the street ends."""


@dataclass(frozen=True)
class Site:
    """What the things on a street share.

    Attributes:
        left, right: metres from the camera to the kerbs; left is negative.
        walk: width of the pavements in metres.
        forward: side of the street on which cars drive away from the camera, -1 or 1.
    """

    canvas: Canvas
    camera: Camera
    light: Light
    random: Random
    left: float
    right: float
    walk: float
    forward: int

    def kerb(self, side: int) -> float:
        """Where the road ends on a side, -1 or 1."""
        return self.left if side < 0 else self.right

    def plot(self, side: int) -> float:
        """Where the pavement ends on a side."""
        return self.kerb(side) + side * self.walk

    def facing(self, side: int) -> float:
        """How bright a wall along that side of the street is: it faces the other side."""
        return 1 + 0.22 * self.light.side * -side


_STONE: tuple[Rgb, ...] = (
    (150, 146, 140),
    (118, 116, 114),
    (92, 92, 94),
    (176, 166, 148),
    (202, 192, 172),
    (164, 132, 108),
    (142, 88, 70),
    (120, 72, 60),
    (196, 184, 176),
    (132, 124, 108),
    (222, 216, 204),
    (104, 96, 88),
)
_PAINT: tuple[Rgb, ...] = (
    (170, 34, 38),
    (36, 64, 128),
    (24, 92, 70),
    (214, 196, 70),
    (226, 226, 224),
    (38, 40, 44),
    (128, 132, 138),
    (94, 132, 172),
    (150, 160, 168),
    (112, 78, 54),
    (196, 110, 44),
    (92, 44, 84),
    (176, 202, 214),
    (74, 96, 58),
)


def stone(random: Random) -> Rgb:
    """A colour of masonry, asphalt, slabs, concrete or weathered wood: all of them share these."""
    return jitter(random, random.choice(_STONE), 16)


def paint(random: Random) -> Rgb:
    """A colour of whatever people paint or wear, masonry's included."""
    return jitter(random, random.choice(_PAINT if random.random() < 0.75 else _STONE), 16)
