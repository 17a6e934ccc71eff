"""The picture while it is drawn: numbered surfaces, back to front, and their development into colours and classes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from segbench.cards.datasets import IGNORE, dataset_card
from segbench.data.dataset import Pixels
from segbench.data.streets.camera import Camera, Position
from segbench.data.streets.light import Light, Rgb
from segbench.data.streets.textures import (
    GROUND,
    KINDS,
    LEVELS,
    PER_METRE,
    SCREEN,
    TILE,
    ground_tile,
    screen_tile,
)

CLASS_IDS = {**{name: index for index, name in enumerate(dataset_card("synthetic").class_names)}, "void": IGNORE}

FINE = 2
"""Drawn at this many times the size and averaged, so that edges are smooth."""

_SHARP_DISTANCE = 14.0
"""Metres beyond which ground textures fade: a pixel then covers several grains."""


class Canvas:
    """Draws at twice the size; every surface has a class, a colour, a texture and a distance."""

    def __init__(self, width: int, height: int, light: Light, random: Random) -> None:
        self.width, self.height = width * FINE, height * FINE
        self.light = light
        self._random = random
        self._surfaces = Image.new("I", (self.width, self.height))
        self._shade = Image.new("L", (self.width, self.height), 255)
        self._draw, self._darken = ImageDraw.Draw(self._surfaces), ImageDraw.Draw(self._shade)
        self._rows: list[tuple[float, float, float, float, float]] = []
        self._kinds: list[int] = []
        self._classes: list[int] = []
        self._known: dict[tuple[str, Rgb, float, str, float], int] = {}

    def surface(self, name: str, colour: Rgb, distance: float, texture: str = "smooth", contrast: float = 0.1) -> int:
        """The number of a surface to draw with.

        Args:
            name: its class, or `void`.
            distance: metres, for the haze; 0 for what shines by itself (sky, lamps), which the sun does not tint.
            texture: of `KINDS`.
            contrast: how far the texture goes from the colour, 0..1.
        """
        key = (name, colour, distance, texture, contrast)
        if key not in self._known:
            self._known[key] = len(self._rows)
            self._rows.append((*colour, distance, contrast))
            self._kinds.append(KINDS[texture])
            self._classes.append(CLASS_IDS[name])
        return self._known[key]

    def polygon(self, points: Sequence[Position], surface: int) -> None:
        self._draw.polygon(points, surface)

    def ellipse(self, centre: Position, width: float, height: float, surface: int) -> None:
        x, y = centre
        self._draw.ellipse((x - width / 2, y - height / 2, x + width / 2, y + height / 2), surface)

    def line(self, points: Sequence[Position], width: float, surface: int) -> None:
        self._draw.line(points, surface, max(1, round(width)))

    def seen_through(self, name: str, at: Position, distance: float) -> int:
        """A surface that looks like what is drawn at that place so far but counts as `name`: gaps of fences."""
        column, row = (min(max(int(value), 0), size - 1) for value, size in zip(at, self._surfaces.size, strict=True))
        behind = int(self._surfaces.getpixel((column, row)))  # type: ignore[arg-type]
        red, green, blue, far, contrast = self._rows[behind]
        texture = next(kind for kind, number in KINDS.items() if number == self._kinds[behind])
        return self.surface(name, (red, green, blue), max(far, distance), texture, contrast)

    def shadow(self, points: Sequence[Position], strength: float = 1.0) -> None:
        """Darkens the ground there; what stands in front keeps its own light."""
        self._darken.polygon(points, round(255 * (1 - (1 - self.light.shadow) * strength)))

    def develop(self, camera: Camera) -> tuple[Pixels, Pixels]:
        """The picture `(H, W, 3)` and its train ids `(H, W)`."""
        surfaces = np.asarray(self._surfaces).ravel()
        offsets = np.asarray(self._kinds, np.int32) * (self.width * self.height)
        where = offsets[surfaces]
        where += np.arange(self.width * self.height, dtype=np.int32)
        packed = self._colour_table()[(surfaces << 4) | self._texture_planes(camera)[where]]
        picture = Image.frombuffer("RGBX", (self.width, self.height), packed, "raw", "RGBX", 0, 1).convert("RGB")
        small = picture.reduce(FINE)
        if self._random.random() < 0.5:
            small = small.filter(_SOFT)
        middle = np.asarray(self._surfaces)[FINE // 2 :: FINE, FINE // 2 :: FINE]
        shade = np.array(self._shade.reduce(FINE).filter(ImageFilter.BoxBlur(1)))
        shade[~(np.asarray(self._kinds) >= len(SCREEN))[middle]] = 255
        return self._expose(np.asarray(small), shade), np.asarray(self._classes, np.uint8)[middle]

    def _colour_table(self) -> NDArray[np.uint32]:
        """Packed colour of every surface at every texture level, haze and light applied: `(S * 16,)`."""
        rows = np.asarray(self._rows, np.float32)
        level = (np.arange(LEVELS, dtype=np.float32) - (LEVELS - 1) / 2) / (LEVELS / 2)
        tone = 1 + rows[:, 4:5] * level
        sun = np.where(rows[:, 3:4] > 0, np.asarray(self.light.sun, np.float32), 1)
        own = rows[:, None, :3] * tone[..., None] * sun[:, None]
        clear = np.exp(-rows[:, 3] / self.light.haze)[:, None, None]
        seen = own * clear + np.asarray(self.light.skyline, np.float32) * (1 - clear)
        channels = np.zeros((*seen.shape[:2], 4), np.uint8)
        channels[..., :3] = np.clip(seen, 0, 255)
        return channels.view(np.uint32).ravel()

    def _texture_planes(self, camera: Camera) -> Pixels:
        """Every texture's levels at every pixel, one plane after the other: `(K * H * W,)`."""
        side = TILE * (1 + (max(self.width, self.height) + TILE // 2) // TILE)
        planes = np.empty((len(KINDS), self.height, self.width), np.uint8)
        for name in SCREEN:
            top, left = (self._random.randrange(side - extent + 1) for extent in (self.height, self.width))
            planes[KINDS[name]] = screen_tile(name, side)[top : top + self.height, left : left + self.width]
        ground = planes[len(SCREEN) :]
        first = max(0, int(camera.horizon) + 1)
        ground[:, :first] = LEVELS // 2
        if first < self.height:
            self._lay_ground(camera, first, ground[:, first:])
        return planes.ravel()

    def _lay_ground(self, camera: Camera, first: int, planes: NDArray[np.uint8]) -> None:
        below = np.arange(first, self.height, dtype=np.float32) + 0.5 - np.float32(camera.horizon)
        ahead = camera.focal * camera.height / below
        aside = (np.arange(self.width, dtype=np.float32) - np.float32(camera.centre)) * np.float32(1 / camera.focal)
        across = (np.outer(ahead * PER_METRE, aside)).astype(np.int32) & (TILE - 1)
        along = ((ahead * PER_METRE).astype(np.int32) & (TILE - 1)) * TILE
        across += along[:, None]
        sharp = np.minimum(1, _SHARP_DISTANCE / ahead)
        fade = np.rint((np.arange(LEVELS) - 7.5) * sharp[:, None] + 7.5).astype(np.uint8)
        rows = np.arange(0, len(below) * LEVELS, LEVELS, dtype=np.int32)[:, None]
        for plane, name in zip(planes, GROUND, strict=True):
            plane[:] = fade.ravel()[rows + ground_tile(name).ravel()[across]]

    def _expose(self, picture: Pixels, shade: Pixels) -> Pixels:
        """Shadows, the lens's dark corners, exposure and the sensor's noise."""
        height, width = shade.shape
        strength = self._random.uniform(0.5, 1.6)
        bright = shade * (_corners(width, height) * np.float32(self.light.gain / 255))
        top, left = self._random.randrange(64), self._random.randrange(64)
        noise = _sensor(width, height)[top : top + height, left : left + width]
        return np.clip(picture * bright[..., None] + noise * np.float32(strength), 0, 255).astype(np.uint8)


_SOFT = ImageFilter.Kernel((3, 3), (1, 2, 1, 2, 6, 2, 1, 2, 1))


@cache
def _corners(width: int, height: int) -> NDArray[np.float32]:
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    brightness: NDArray[np.float32] = (1 - 0.12 * (x**2 + y**2)).astype(np.float32)
    return brightness


@cache
def _sensor(width: int, height: int) -> NDArray[np.float32]:
    """Noise somewhat larger than a picture, from which windows are cut."""
    return np.random.default_rng(0).normal(0, 3.0, (height + 64, width + 64, 3)).astype(np.float32)
