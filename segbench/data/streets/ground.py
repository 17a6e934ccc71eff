"""Sky, road, pavements and verges: what everything else stands in front of."""

from __future__ import annotations

from segbench.data.streets.camera import NEAR
from segbench.data.streets.light import Rgb, jitter, times
from segbench.data.streets.site import FAR, Site, stone

_SKY_BANDS = 24

_CONTRAST = {"turf": 0.35, "slabs": 0.22, "asphalt": 0.15, "smooth": 0.0}


def draw_sky(site: Site) -> None:
    """From the zenith's colour to the skyline's, with clouds."""
    canvas, light = site.canvas, site.light
    bottom = site.camera.horizon + 2
    for band in range(_SKY_BANDS):
        part = (band / (_SKY_BANDS - 1)) ** 0.8
        red, green, blue = (high + (low - high) * part for high, low in zip(light.zenith, light.skyline, strict=True))
        surface = canvas.surface("sky", (red, green, blue), 0.0, "clouds", light.clouds * (1 - 0.6 * part))
        top = bottom * band / _SKY_BANDS
        canvas.polygon([(0, top), (canvas.width, top), (canvas.width, bottom), (0, bottom)], surface)


def draw_ground(site: Site) -> None:
    """Road, kerbs, pavements and what lies behind them, in strips by distance so that haze can grow."""
    random = site.random
    road, walk = times(stone(random), random.uniform(0.6, 0.95)), stone(random)
    behind = {side: _behind(site) for side in (-1, 1)}
    walk_texture = random.choice(("slabs", "slabs", "asphalt"))
    for near, far in ((45.0, FAR * 6), (22.0, 45.0), (11.0, 22.0), (5.0, 11.0), (1.0, 5.0)):
        middle = (near * min(far, FAR)) ** 0.5
        for side in (-1, 1):
            name, colour, texture = behind[side]
            _strip(site, name, colour, texture, site.plot(side), site.plot(side) + side * 400, near, far, middle)
            _strip(site, "pavement", walk, walk_texture, site.kerb(side), site.plot(side), near, far, middle)
            edge = site.kerb(side)
            _strip(site, "pavement", times(walk, 1.25), "smooth", edge, edge + side * 0.18, near, far, middle)
        _strip(site, "road", road, "asphalt", site.left, site.right, near, far, middle)
    _patches(site, road)
    if random.random() < 0.4:
        _side_street(site, road)
    _markings(site)


def _behind(site: Site) -> tuple[str, Rgb, str]:
    if site.random.random() < 0.5:
        return "tree", jitter(site.random, (96, 116, 62), 22), "turf"
    return "pavement", stone(site.random), "slabs"


def _strip(
    site: Site, name: str, colour: Rgb, texture: str, x0: float, x1: float, near: float, far: float, middle: float
) -> None:
    contrast = _CONTRAST[texture]
    surface = site.canvas.surface(name, colour, middle, texture, contrast)
    site.canvas.polygon(site.camera.floor(x0, x1, near, far), surface)


def _patches(site: Site, road: Rgb) -> None:
    """Mended asphalt and manholes, which are road all the same."""
    for _ in range(site.random.randrange(4)):
        z, x = site.random.uniform(5, 30), site.random.uniform(site.left + 0.5, site.right - 1.5)
        tone = times(road, site.random.choice((0.75, 0.85, 1.15)))
        surface = site.canvas.surface("road", tone, z, "asphalt", 0.25)
        width, length = site.random.uniform(0.7, 2.0), site.random.uniform(0.8, 5)
        site.canvas.polygon(site.camera.floor(x, min(x + width, site.right), z, z + length), surface)


def _side_street(site: Site, road: Rgb) -> None:
    side, z = site.random.choice((-1, 1)), site.random.uniform(12, 40)
    surface = site.canvas.surface("road", road, z, "asphalt", _CONTRAST["asphalt"])
    x = site.kerb(side)
    site.canvas.polygon(site.camera.floor(x - side * 0.1, x + side * 400, z, z + 7), surface)


def _markings(site: Site) -> None:
    """Centre line, edge lines and a crossing, white or yellow and worn."""
    random = site.random
    middle = (site.left + site.right) / 2
    white = jitter(random, (214, 212, 204), 14)
    if random.random() < 0.75:
        dash, gap = random.choice(((2.0, 4.0), (1.0, 5.0), (4.0, 2.0), (6.0, 0.0)))
        z = random.uniform(0, dash + gap) + 1.0
        while z < 70:
            _mark(site, white, middle - 0.07, middle + 0.07, z, z + dash)
            z += dash + gap
    if random.random() < 0.45:
        yellow = jitter(random, (212, 176, 60), 16)
        for side in (-1, 1):
            edge = site.kerb(side) - side * 0.35
            for near, far in ((1.0, 8.0), (8.0, 20.0), (20.0, 70.0)):
                _mark(site, yellow, edge - 0.06, edge + 0.06, near, far)
    if random.random() < 0.3:
        z, x = random.uniform(7, 26), site.left + 0.3
        while x < site.right - 0.5:
            _mark(site, white, x, x + 0.5, z, z + 3.0)
            x += 1.0


def _mark(site: Site, colour: Rgb, x0: float, x1: float, near: float, far: float) -> None:
    surface = site.canvas.surface("road", colour, (near * far) ** 0.5, "asphalt", 0.18)
    site.canvas.polygon(site.camera.floor(x0, x1, max(near, NEAR / 2), far), surface)
