"""Trees and hedges: green, autumn brown or bare grey."""

from __future__ import annotations

from math import cos, pi, sin

from segbench.data.streets.light import Rgb, jitter, times
from segbench.data.streets.site import Site

_FOLIAGE: tuple[Rgb, ...] = (
    (84, 106, 52),
    (62, 88, 46),
    (108, 122, 66),
    (54, 74, 50),
    (150, 116, 58),
    (128, 84, 54),
    (118, 116, 96),
)


def draw_tree(site: Site, x: float, z: float) -> None:
    """A trunk and a crown of overlapping tufts, lit from above."""
    random, canvas, camera = site.random, site.canvas, site.camera
    height, spread = random.uniform(5, 11), random.uniform(1.6, 3.4)
    clear = height * random.uniform(0.25, 0.42)
    scale, colour = camera.scale(z), jitter(random, random.choice(_FOLIAGE), 14)
    bark = canvas.surface("tree", jitter(random, (86, 72, 60), 18), z, "planks", 0.3)
    girth = random.uniform(0.12, 0.24)
    foot_left, foot_right = camera.point(x - girth, 0, z), camera.point(x + girth, 0, z)
    canvas.polygon([foot_left, foot_right, camera.point(x + girth / 2, clear * 1.5, z),
                    camera.point(x - girth / 2, clear * 1.5, z)], bark)  # fmt: skip
    tones = [canvas.surface("tree", times(colour, tone), z, "leaves", 0.42) for tone in (0.62, 0.85, 1.1)]
    tufts = 16 if scale > 12 else 8
    middle = (height + clear) / 2
    for layer, surface in enumerate(tones):
        for _ in range(tufts // (1 + layer // 2)):
            angle, out = random.uniform(0, 2 * pi), random.random() ** 0.6
            px = x + spread * 0.8 * out * cos(angle) - 0.12 * layer * spread
            py = middle + (height - clear) * 0.42 * out * sin(angle) + 0.1 * layer * (height - clear)
            size = spread * random.uniform(0.5, 0.95) * (1 - 0.22 * layer) * scale
            canvas.ellipse(camera.point(px, py, z), size, size * random.uniform(0.7, 1.0), surface)


def draw_hedge(site: Site, side: int, near: float, far: float) -> None:
    """A clipped hedge along the pavement's far edge."""
    random, canvas, camera = site.random, site.canvas, site.camera
    colour, height = jitter(random, random.choice(_FOLIAGE), 14), random.uniform(0.9, 2.2)
    x, middle = site.plot(side) + side * 0.2, (near * far) ** 0.5
    front = canvas.surface("tree", times(colour, 0.8 * site.facing(side)), middle, "leaves", 0.4)
    top = canvas.surface("tree", times(colour, 1.15), middle, "leaves", 0.35)
    canvas.polygon(camera.front(x, x + side * 0.8, 0, height, near), front)
    canvas.polygon(camera.floor(x, x + side * 0.8, near, far, height), top)
    canvas.polygon(camera.wall(x, near, far, 0, height), front)
