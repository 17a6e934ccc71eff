"""Houses in rows along both sides: walls, windows, shops and roofs."""

from __future__ import annotations

from segbench.data.streets.camera import NEAR
from segbench.data.streets.light import Rgb, times
from segbench.data.streets.site import Site, paint, stone

_DETAIL = 55.0
"""Metres beyond which windows are left out."""


def draw_building(site: Site, side: int, near: float, far: float, set_back: float) -> None:
    """One house whose front runs along the street from `near` to `far` metres."""
    random, canvas, camera = site.random, site.canvas, site.camera
    near = max(near, NEAR)
    if far <= near + 0.5:
        return
    floors = random.choice((2, 2, 3, 3, 4, 5, 8))
    storey = random.uniform(2.8, 3.6)
    height, x = floors * storey + 0.5, site.plot(side) + side * set_back
    colour, texture = stone(random), random.choice(("grain", "bricks", "smooth", "bricks"))
    middle = (near * far) ** 0.5
    wall = canvas.surface("building", times(colour, site.facing(side)), middle, texture, 0.16)
    end = canvas.surface("building", times(colour, 0.8), near, texture, 0.14)
    depth = random.uniform(7, 14)
    canvas.polygon(camera.front(x, x + side * depth, 0, height, near), end)
    if floors <= 3 and random.random() < 0.6:
        _pitched_roof(site, side, x, near, far, height, depth)
    canvas.polygon(camera.wall(x, near, far, 0, height), wall)
    cornice = canvas.surface("building", times(colour, 1.18 * site.facing(side)), middle, "smooth", 0.0)
    canvas.polygon(camera.wall(x, near, far, height - 0.3, height), cornice)
    if near < _DETAIL:
        shop = random.random() < 0.35
        _windows(site, x, near, far, storey, floors, first=1 if shop else 0)
        if shop:
            _shop_front(site, side, x, near, far, storey)


def _pitched_roof(site: Site, side: int, x: float, near: float, far: float, height: float, depth: float) -> None:
    ridge, rise = x + side * depth / 2, depth * site.random.uniform(0.3, 0.5)
    camera = site.camera
    tiles = site.canvas.surface("building", times(paint(site.random), 0.6), near, "bricks", 0.2)
    gable = [camera.point(x, height, near), camera.point(ridge, height + rise, near)]
    site.canvas.polygon([*gable, camera.point(x + side * depth, height, near)], tiles)
    slope = [camera.point(ridge, height + rise, far), camera.point(x, height, far)]
    site.canvas.polygon([*gable, *slope], tiles)


def _windows(site: Site, x: float, near: float, far: float, storey: float, floors: int, first: int) -> None:
    random, canvas, camera = site.random, site.canvas, site.camera
    wide, tall = random.uniform(0.9, 1.6), storey * random.uniform(0.45, 0.62)
    step = wide + random.uniform(0.9, 2.2)
    glass = _glass(site, (near * far) ** 0.5)
    frame = canvas.surface("building", paint(random), near, "smooth", 0.0)
    # Rows of windows are drawn as one frame band a window; the nearer half of the street only, see _DETAIL.
    z = near + step * 0.4
    while z + wide < min(far, _DETAIL):
        for floor in range(first, min(floors, 6)):
            low = floor * storey + storey * 0.28
            if z < 18:
                canvas.polygon(camera.wall(x, z - 0.1, z + wide + 0.1, low - 0.12, low + tall + 0.1), frame)
            canvas.polygon(camera.wall(x, z, z + wide, low, low + tall), random.choice(glass))
        z += step


def _glass(site: Site, distance: float) -> list[int]:
    dark: Rgb = (44, 52, 62)
    sky = times(site.light.skyline, 0.62)
    panes = [
        site.canvas.surface("building", colour, distance, "smooth", 0.0)
        for colour in (dark, dark, times(dark, 1.5), sky)
    ]
    if site.light.dark:
        panes += [site.canvas.surface("building", (250, 208, 130), 0.0, "smooth", 0.0)] * 2
    return panes


def _shop_front(site: Site, side: int, x: float, near: float, far: float, storey: float) -> None:
    random, canvas, camera = site.random, site.canvas, site.camera
    middle = (near * far) ** 0.5
    canvas.polygon(camera.wall(x, near, far, 0.5, storey * 0.8), _glass(site, middle)[0])
    post = canvas.surface("building", times(paint(random), 0.8), middle, "smooth", 0.0)
    z = near
    while z < min(far, _DETAIL):
        canvas.polygon(camera.wall(x, z, min(z + 0.3, far), 0, storey * 0.85), post)
        z += random.uniform(2.0, 4.0)
    board = canvas.surface("building", paint(random), middle, "smooth", 0.0)
    canvas.polygon(camera.wall(x, near, far, storey * 0.8, storey * 1.02), board)
    if random.random() < 0.5:
        out = x - side * 1.2
        awning = canvas.surface("building", paint(random), middle, "planks", 0.25)
        top = [camera.point(x, storey * 0.95, near), camera.point(x, storey * 0.95, far)]
        canvas.polygon([*top, camera.point(out, storey * 0.75, far), camera.point(out, storey * 0.75, near)], awning)
