"""Cars, vans and buses, seen from behind, from ahead or from the side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from segbench.data.streets.camera import NEAR, Position
from segbench.data.streets.light import Rgb, times
from segbench.data.streets.site import Site, paint

Outline = tuple[Position, ...]
"""Corners as fractions: along the length (0 the end that faces the camera), and of the height."""

_Place = Callable[[Sequence[Position]], list[Position]]
"""Puts an outline into the picture."""


@dataclass(frozen=True)
class _Body:
    """A kind of vehicle; measures in metres."""

    length: float
    width: float
    height: float
    side: Outline
    windows: tuple[Outline, ...]
    end: Outline
    screen: Outline


_CAR_END = ((-1, 0.16), (-1, 0.52), (-0.95, 0.62), (-0.74, 1), (0.74, 1), (0.95, 0.62), (1, 0.52), (1, 0.16))
_BOX_END = ((-1, 0.12), (-1, 0.93), (-0.94, 1), (0.94, 1), (1, 0.93), (1, 0.12))

_KINDS = (
    _Body(  # saloon
        4.3, 1.75, 1.42,
        ((0, 0.2), (0, 0.6), (0.14, 0.66), (0.27, 1), (0.6, 1), (0.76, 0.68), (0.98, 0.58), (1, 0.2)),
        (
            ((0.2, 0.68), (0.29, 0.94), (0.42, 0.94), (0.42, 0.68)),
            ((0.45, 0.68), (0.45, 0.94), (0.58, 0.94), (0.7, 0.68)),
        ),
        _CAR_END, ((-0.82, 0.64), (-0.66, 0.94), (0.66, 0.94), (0.82, 0.64)),
    ),
    _Body(  # hatchback
        3.8, 1.7, 1.5,
        ((0, 0.2), (0, 0.58), (0.07, 0.95), (0.15, 1), (0.6, 1), (0.8, 0.66), (0.98, 0.56), (1, 0.2)),
        (
            ((0.1, 0.66), (0.16, 0.94), (0.4, 0.94), (0.4, 0.66)),
            ((0.43, 0.66), (0.43, 0.94), (0.58, 0.94), (0.73, 0.66)),
        ),
        _CAR_END, ((-0.82, 0.64), (-0.68, 0.94), (0.68, 0.94), (0.82, 0.64)),
    ),
    _Body(  # van
        5.2, 1.95, 2.2,
        ((0, 0.15), (0, 0.97), (0.02, 1), (0.74, 1), (0.9, 0.6), (1, 0.5), (1, 0.15)),
        (((0.72, 0.62), (0.72, 0.9), (0.78, 0.9), (0.88, 0.62)),),
        _BOX_END, ((-0.8, 0.56), (-0.78, 0.88), (0.78, 0.88), (0.8, 0.56)),
    ),
    _Body(  # bus
        11.0, 2.5, 3.1,
        ((0, 0.12), (0, 1), (1, 1), (1, 0.12)),
        tuple(((a, 0.48), (a, 0.84), (a + 0.13, 0.84), (a + 0.13, 0.48)) for a in (0.04, 0.2, 0.36, 0.52, 0.68, 0.83)),
        _BOX_END, ((-0.86, 0.5), (-0.86, 0.86), (0.86, 0.86), (0.86, 0.5)),
    ),
)  # fmt: skip

_GLASS: Rgb = (46, 54, 64)


def draw_vehicle(site: Site, x: float, z: float, towards: bool, parked: bool = False) -> None:
    """One that drives or stands along the street, its nearer end at distance z and its middle at x."""
    random, canvas, camera = site.random, site.canvas, site.camera
    body = _KINDS[random.choice((0, 0, 1, 1, 1, 2) if parked else (0, 0, 1, 1, 2, 3))]
    z = max(z, NEAR)
    half, far = body.width / 2, z + body.length
    colour = paint(random)
    canvas.shadow(camera.floor(x - half - 0.15, x + half + 0.15, z - 0.25, far + 0.2))
    seen = -1 if x > 0 else 1
    flank = x + seen * half
    if abs(flank) > 0.3 and flank * seen < 0:
        _flank(site, body, colour, flank, z, far)
    _end(site, body, colour, x, z, towards)


def draw_crossing_vehicle(site: Site, z: float) -> None:
    """One that crosses the street, seen from the side."""
    random, camera = site.random, site.camera
    body = _KINDS[random.randrange(3)]
    start, sense = random.uniform(site.left - 4, site.right), random.choice((-1, 1))
    colour = paint(random)
    site.canvas.shadow(camera.floor(start - 0.2, start + sense * body.length + 0.2, z - 0.3, z + 1.8))

    def place(outline: Sequence[Position]) -> list[Position]:
        return [camera.point(start + sense * along * body.length, up * body.height, z) for along, up in outline]

    _profile(site, body, colour, z, place)
    wheel = camera.scale(z) * 0.62
    for along in (0.2, 0.8):
        _wheel(site, camera.point(start + sense * along * body.length, 0.31, z), wheel, wheel, z)


def _flank(site: Site, body: _Body, colour: Rgb, x: float, near: float, far: float) -> None:
    camera = site.camera

    def place(outline: Sequence[Position]) -> list[Position]:
        return [camera.point(x, up * body.height, near + along * (far - near)) for along, up in outline]

    _profile(site, body, times(colour, 0.82), near, place)
    for along in (0.18, 0.8):
        z = near + along * (far - near)
        tall = camera.scale(z) * 0.64
        wide = abs(camera.point(x, 0, z - 0.32)[0] - camera.point(x, 0, z + 0.32)[0])
        _wheel(site, camera.point(x, 0.31, z), max(wide, 2), tall, z)


def _profile(site: Site, body: _Body, colour: Rgb, z: float, place: _Place) -> None:
    canvas = site.canvas
    canvas.polygon(place(body.side), canvas.surface("car", colour, z, "smooth", 0.0))
    sill = canvas.surface("car", times(colour, 0.6), z, "smooth", 0.0)
    canvas.polygon(place(((0, 0.2), (0, 0.3), (1, 0.3), (1, 0.2))), sill)
    glass = canvas.surface("car", _GLASS, z, "smooth", 0.0)
    for window in body.windows:
        canvas.polygon(place(window), glass)


def _end(site: Site, body: _Body, colour: Rgb, x: float, z: float, towards: bool) -> None:
    canvas, camera = site.canvas, site.camera
    half = body.width / 2

    def place(outline: Sequence[Position]) -> list[Position]:
        return [camera.point(x + across * half, up * body.height, z) for across, up in outline]

    def box(x0: float, y0: float, x1: float, y1: float, paint_of: Rgb, glows: bool = False) -> None:
        surface = canvas.surface("car", paint_of, 0.0 if glows else z, "smooth", 0.0)
        canvas.polygon(place(((x0, y0), (x0, y1), (x1, y1), (x1, y0))), surface)

    for across in (-0.72, 0.72):
        box(across - 0.16, 0, across + 0.16, 0.3, (24, 24, 26))
    canvas.polygon(place(body.end), canvas.surface("car", colour, z, "smooth", 0.0))
    box(-1, 0.16, 1, 0.28, times(colour, 0.65))
    canvas.polygon(place(body.screen), canvas.surface("car", _GLASS, z, "smooth", 0.0))
    glint = canvas.surface("car", times(site.light.skyline, 0.55), z, "smooth", 0.0)
    low, high = body.screen[0], body.screen[1]
    canvas.polygon(place((high, (high[0] + 0.5, high[1]), (low[0] + 0.3, low[1]), low)), glint)
    lamp: Rgb = (236, 232, 212) if towards else (176, 26, 28)
    for across in (-0.84, 0.84):
        box(across - 0.13, 0.4, across + 0.13, 0.5, lamp, site.light.dark)
    box(-0.27, 0.3, 0.27, 0.38, (226, 214, 120) if not towards else (226, 226, 220))


def _wheel(site: Site, centre: Position, wide: float, tall: float, z: float) -> None:
    canvas = site.canvas
    canvas.ellipse(centre, wide, tall, canvas.surface("car", (26, 26, 28), z, "smooth", 0.0))
    canvas.ellipse(centre, wide * 0.5, tall * 0.5, canvas.surface("car", (140, 142, 146), z, "smooth", 0.0))
