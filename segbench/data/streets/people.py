"""Pedestrians and cyclists."""

from __future__ import annotations

from math import pi, sin

from segbench.data.streets.camera import Position
from segbench.data.streets.light import Rgb, jitter, times
from segbench.data.streets.site import Site, paint

_SKIN: tuple[Rgb, ...] = ((224, 184, 156), (198, 150, 118), (140, 98, 72), (92, 64, 50))


def draw_pedestrian(site: Site, x: float, z: float) -> None:
    """Somebody who stands or walks, sometimes with a bag."""
    random, canvas, camera = site.random, site.canvas, site.camera
    tall = random.uniform(1.5, 1.9) if random.random() < 0.85 else random.uniform(1.0, 1.35)
    canvas.shadow(camera.floor(x - 0.25, x + 0.45, z - 0.15, z + 0.25), 0.8)
    _person(site, "pedestrian", x, 0.0, z, tall, stride=0.3 * sin(random.uniform(-pi / 2, pi / 2)))
    if random.random() < 0.3:
        bag = canvas.surface("pedestrian", paint(random), z, "smooth", 0.0)
        side = random.choice((-1, 1))
        near, far = sorted((x + side * 0.22, x + side * 0.44))
        canvas.polygon(camera.front(near, far, tall * 0.3, tall * 0.5, z), bag)


def draw_cyclist(site: Site, x: float, z: float) -> None:
    """Somebody on a bicycle, from the side or from behind."""
    canvas, camera, random = site.canvas, site.camera, site.random
    canvas.shadow(camera.floor(x - 0.7, x + 0.7, z - 0.15, z + 0.25), 0.8)
    frame = canvas.surface("bicyclist", paint(random), z, "smooth", 0.0)
    tyre = canvas.surface("bicyclist", (34, 34, 36), z, "smooth", 0.0)
    scale = camera.scale(z)
    if random.random() < 0.4:  # from behind
        canvas.ellipse(camera.point(x, 0.34, z), max(scale * 0.08, 2), scale * 0.68, tyre)
        _person(site, "bicyclist", x, 0.25, z, 1.55, stride=0.14)
        return
    sense = random.choice((-1, 1))
    for along in (-0.52, 0.52):
        centre = camera.point(x + along, 0.34, z)
        behind = canvas.seen_through("bicyclist", centre, z)
        canvas.ellipse(centre, scale * 0.68, scale * 0.68, tyre)
        canvas.ellipse(centre, scale * 0.56, scale * 0.56, behind)
    hub, crank, saddle, head = ((-0.52, 0.34), (-0.05, 0.34), (-0.18, 0.92), (0.38, 0.95))
    tubes = ((hub, crank), (crank, saddle), (saddle, head), (crank, head), (head, (0.52, 0.34)), (hub, saddle))
    for start, end in tubes:
        line = [camera.point(x + sense * along, up, z) for along, up in (start, end)]
        canvas.line(line, scale * 0.05, frame)
    _rider(site, x, z, sense)


def _rider(site: Site, x: float, z: float, sense: int) -> None:
    canvas, camera, random = site.canvas, site.camera, site.random
    legs, coat, skin = _clothes(site, "bicyclist", z)

    def place(*points: Position) -> list[Position]:
        return [camera.point(x + sense * along, up, z) for along, up in points]

    canvas.polygon(place((-0.24, 1.0), (-0.02, 1.0), (0.22, 0.66), (0.06, 0.3), (-0.06, 0.34), (0.05, 0.66)), legs)
    canvas.polygon(place((-0.26, 0.95), (-0.02, 0.95), (0.28, 1.42), (0.1, 1.52), (-0.12, 1.35)), coat)
    canvas.polygon(place((0.2, 1.42), (0.26, 1.32), (0.46, 0.98), (0.38, 0.98)), coat)
    _head(site, "bicyclist", camera.point(x + sense * 0.26, 1.6, z), camera.scale(z), skin, z)
    if random.random() < 0.5:
        helmet = canvas.surface("bicyclist", paint(random), z, "smooth", 0.0)
        canvas.ellipse(camera.point(x + sense * 0.25, 1.69, z), camera.scale(z) * 0.25, camera.scale(z) * 0.14, helmet)


def _person(site: Site, name: str, x: float, floor: float, z: float, tall: float, stride: float) -> None:
    canvas, camera = site.canvas, site.camera
    legs, coat, skin = _clothes(site, name, z)

    def place(*points: Position) -> list[Position]:
        return [camera.point(x + across * tall, floor + up * tall, z) for across, up in points]

    for foot in (-stride / 2, stride / 2):
        canvas.polygon(place((-0.075, 0.5), (0.075, 0.5), (foot + 0.045, 0), (foot - 0.045, 0)), legs)
    for side in (-1, 1):
        canvas.polygon(
            place(
                (side * 0.1, 0.8),
                (side * 0.145, 0.78),
                (side * 0.15 + stride / 3, 0.47),
                (side * 0.1 + stride / 3, 0.47),
            ),
            coat,
        )
    canvas.polygon(place((-0.1, 0.45), (-0.13, 0.8), (-0.06, 0.84), (0.06, 0.84), (0.13, 0.8), (0.1, 0.45)), coat)
    _head(site, name, camera.point(x, floor + 0.915 * tall, z), camera.scale(z) * tall / 1.7, skin, z)


def _clothes(site: Site, name: str, z: float) -> tuple[int, int, int]:
    """Surfaces of legs, coat and skin."""
    random, canvas = site.random, site.canvas
    skin = jitter(random, random.choice(_SKIN), 8)
    legs = canvas.surface(name, times(paint(random), 0.7), z, "smooth", 0.0)
    return legs, canvas.surface(name, paint(random), z, "grain", 0.06), canvas.surface(name, skin, z, "smooth", 0.0)


def _head(site: Site, name: str, centre: Position, scale: float, skin: int, z: float) -> None:
    hair = site.canvas.surface(name, jitter(site.random, (70, 52, 40), 30), z, "smooth", 0.0)
    site.canvas.ellipse((centre[0], centre[1] - scale * 0.03), scale * 0.22, scale * 0.26, hair)
    site.canvas.ellipse((centre[0], centre[1] + scale * 0.02), scale * 0.17, scale * 0.2, skin)
