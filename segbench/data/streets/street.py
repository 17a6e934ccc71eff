"""Composes one street: what stands where, drawn from far to near."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random

from segbench.data.dataset import Pixels
from segbench.data.streets.buildings import draw_building
from segbench.data.streets.camera import Camera
from segbench.data.streets.canvas import FINE, Canvas
from segbench.data.streets.furniture import draw_bin, draw_fence, draw_lamp, draw_sign, draw_traffic_light
from segbench.data.streets.ground import draw_ground, draw_sky
from segbench.data.streets.light import any_light
from segbench.data.streets.people import draw_cyclist, draw_pedestrian
from segbench.data.streets.plants import draw_hedge, draw_tree
from segbench.data.streets.site import FAR, Site, paint
from segbench.data.streets.traffic import draw_crossing_vehicle, draw_vehicle

Item = tuple[float, Callable[[], None]]
"""A thing's distance in metres and what draws it."""


def draw_street(width: int, height: int, seed: str) -> tuple[Pixels, Pixels]:
    """A street scene.

    Args:
        width, height: in pixels, any size.
        seed: the same text always draws the same scene; at another size it is the same place.

    Returns:
        image `(H, W, 3)` uint8 and label `(H, W)` uint8, CamVid's 11 train ids and 255.
    """
    site = _site(width, height, Random(seed))
    draw_sky(site)
    draw_ground(site)
    _sun_shadows(site)
    for _, draw in sorted(_things(site), key=lambda item: -item[0]):
        draw()
    if site.random.random() < 0.4:
        _bonnet(site)
    return site.canvas.develop(site.camera)


def _site(width: int, height: int, random: Random) -> Site:
    light = any_light(random)
    half = random.uniform(3.2, 6.0)
    forward = random.choice((-1, 1))
    lane = -forward * half * random.uniform(0.3, 0.55)
    camera = Camera(
        focal=FINE * height * random.uniform(0.95, 1.35),
        centre=FINE * width * random.uniform(0.36, 0.64),
        horizon=FINE * height * random.uniform(0.38, 0.52),
        height=random.uniform(1.2, 2.1),
    )
    canvas = Canvas(width, height, light, random)
    return Site(canvas, camera, light, random, lane - half, lane + half, random.uniform(1.6, 4.0), forward)


def _things(site: Site) -> Iterator[Item]:
    for side in (-1, 1):
        yield from _row(site, side)
        yield from _kerbside(site, side)
    yield from _traffic(site)
    yield from _people(site)


def _row(site: Site, side: int) -> Iterator[Item]:
    """Houses and gardens, one after the other; gardens have trees behind a fence or a hedge."""
    random = site.random
    set_back = random.choice((0.0, 0.3, 3.0, 6.0))
    houses = random.uniform(0.35, 0.95)
    z = random.uniform(-6, 2)
    while z < FAR:
        end = z + random.uniform(7, 20)
        if random.random() < houses:
            yield end, partial(draw_building, site, side, z, end, set_back)
            if set_back >= 3 and random.random() < 0.7:
                yield (z + end) / 2, partial(random.choice((draw_fence, draw_hedge)), site, side, max(z, 3.0), end)
        else:
            for _ in range(random.randrange(1, 5)):
                where = random.uniform(max(z, 4.0), end)
                yield where + 0.5, partial(draw_tree, site, site.plot(side) + side * random.uniform(1.5, 9), where)
            if random.random() < 0.8:
                yield (
                    max(z, 3.0),
                    partial(random.choice((draw_fence, draw_fence, draw_hedge)), site, side, max(z, 3.0), end),
                )
        z = end + random.choice((0.0, 0.0, 2.0, 6.0))


def _kerbside(site: Site, side: int) -> Iterator[Item]:
    """Lamps, signs, trees and bins on the pavement; parked cars along it."""
    random = site.random
    spacing = random.uniform(14, 30)
    z = random.uniform(4, spacing)
    while z < 90:
        yield z, partial(draw_lamp, site, side, z)
        z += spacing
    for _ in range(random.randrange(4)):
        z = random.uniform(5, 35)
        yield z, partial(random.choice((draw_sign, draw_sign, draw_traffic_light)), site, side, z)
    if random.random() < 0.35:
        z = random.uniform(6, 14)
        while z < 80:
            yield z, partial(draw_tree, site, site.kerb(side) + side * 0.9, z)
            z += random.uniform(7, 13)
    for _ in range(random.randrange(3)):
        z = random.uniform(5, 30)
        yield z, partial(draw_bin, site, side, z)
    if random.random() < 0.55:
        z = random.uniform(3, 12)
        while z < 70:
            if random.random() < 0.7:
                yield z, partial(draw_vehicle, site, site.kerb(side) - side * 1.1, z, random.random() < 0.3, True)
            z += random.uniform(5.5, 8)


def _traffic(site: Site) -> Iterator[Item]:
    random = site.random
    middle = (site.left + site.right) / 2
    for side in (-1, 1):
        lane = (middle + site.kerb(side)) / 2 - side * 0.4
        for _ in range(random.choice((0, 0, 1, 1, 2))):
            z = random.uniform(7, 60)
            yield z, partial(draw_vehicle, site, lane, z, side != site.forward)
    if random.random() < 0.15:
        z = random.uniform(9, 30)
        yield z, partial(draw_crossing_vehicle, site, z)


def _people(site: Site) -> Iterator[Item]:
    random = site.random
    for _ in range(random.choice((0, 1, 2, 3, 5, 8))):
        z, side = random.uniform(4.5, 32), random.choice((-1, 1))
        x = site.kerb(side) + side * random.uniform(0.3, site.walk)
        if random.random() < 0.15:
            x = random.uniform(site.left, site.right)
        yield z, partial(draw_pedestrian, site, x, z)
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        z, side = random.uniform(5, 26), random.choice((-1, 1))
        yield z, partial(draw_cyclist, site, site.kerb(side) - side * random.uniform(0.6, 2.2), z)


def _sun_shadows(site: Site) -> None:
    """The shadow of a row of houses falls across the street on a clear day."""
    random, light = site.random, site.light
    if light.shadow > 0.8 or random.random() < 0.3:
        return
    side = -1 if light.side < 0 else 1
    reach = random.uniform(0.3, 1.0) * (site.right - site.left + site.walk)
    z = 1.0
    while z < FAR:
        end = z + random.uniform(6, 25)
        if random.random() < 0.7:
            deep = reach * random.uniform(0.7, 1.1)
            edge = site.plot(side)
            site.canvas.shadow(site.camera.floor(edge + side * 30, edge - side * deep, z, end))
        z = end + random.uniform(0, 4)


def _bonnet(site: Site) -> None:
    """The camera car's own bonnet at the lower edge: void, like in the real sets."""
    canvas, random = site.canvas, site.random
    colour = paint(random)
    rise = canvas.height * random.uniform(0.03, 0.1)
    body = canvas.surface("void", colour, 1.0, "smooth", 0.0)
    centre = (canvas.width * random.uniform(0.4, 0.6), canvas.height + rise * 1.6)
    canvas.ellipse(centre, canvas.width * random.uniform(1.0, 1.3), rise * 5.2, body)
