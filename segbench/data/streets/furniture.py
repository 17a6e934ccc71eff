"""What the town puts up: fences, lamp posts, traffic lights, signs and bins."""

from __future__ import annotations

from math import cos, pi, sin

from segbench.data.streets.camera import NEAR, Position
from segbench.data.streets.light import Rgb, times
from segbench.data.streets.site import Site, paint, stone


def draw_fence(site: Site, side: int, near: float, far: float) -> None:
    """Boards, railings or wire along the pavement's far edge; one sees through the latter two."""
    random, canvas, camera = site.random, site.canvas, site.camera
    near = max(near, NEAR)
    x, height = site.plot(side) - side * 0.05, random.uniform(0.9, 1.9)
    colour = random.choice((paint, stone))(random)
    middle = (near * far) ** 0.5
    boards = canvas.surface("fence", times(colour, site.facing(side)), middle, "planks", 0.3)
    if random.random() < 0.4:
        canvas.polygon(camera.wall(x, near, far, 0, height), boards)
        return
    step = random.choice((0.35, 0.5, 2.0))
    z = near
    bars: list[list[Position]] = []
    while z < far and len(bars) < 60:
        # Bars stand further apart where they would merge: about two pixels each.
        step_here = max(step, 3 * z * z / (camera.focal * max(abs(x), 1)))
        end = min(z + step_here, far)
        gap = camera.wall(x, z, end, 0, height)
        centre = (gap[0][0] + gap[2][0]) / 2, (gap[0][1] + gap[2][1] + gap[1][1] + gap[3][1]) / 4
        canvas.polygon(gap, canvas.seen_through("fence", centre, z))
        bars.append(camera.wall(x, z, min(z + step_here * 0.3, far), 0, height))
        z = end
    for bar in bars:
        canvas.polygon(bar, boards)
    for rail in (0.12, height - 0.1):
        canvas.polygon(camera.wall(x, near, z, rail, rail + 0.09), boards)


def draw_lamp(site: Site, side: int, z: float) -> None:
    """A lamp post at the kerb with its arm over the road."""
    random, canvas, camera = site.random, site.canvas, site.camera
    x, height = site.kerb(side) + side * 0.5, random.uniform(5.5, 8.5)
    metal = canvas.surface("pole", times(stone(random), random.uniform(0.5, 1.1)), z, "smooth", 0.0)
    _post(site, x, height, z, metal, 0.11)
    arm = [camera.point(x, height, z), camera.point(x - side * 0.5, height + 0.35, z)]
    canvas.line([*arm, camera.point(x - side * 1.6, height + 0.4, z)], camera.scale(z) * 0.09, metal)
    lamp = canvas.surface("pole", (255, 226, 160), 0.0) if site.light.dark else metal
    canvas.ellipse(camera.point(x - side * 1.7, height + 0.36, z), camera.scale(z) * 0.6, camera.scale(z) * 0.18, lamp)


def draw_sign(site: Site, side: int, z: float) -> None:
    """One or two traffic signs on a post: disc, triangle, square or octagon, with a rim and something on it."""
    random, camera = site.random, site.camera
    x, height = site.kerb(side) + side * random.uniform(0.3, 0.9), random.uniform(2.0, 2.9)
    metal = site.canvas.surface("pole", times(stone(random), 0.9), z, "smooth", 0.0)
    _post(site, x, height, z, metal, 0.05)
    for number in range(random.choice((1, 1, 2))):
        size = random.uniform(0.32, 0.5)
        _board(site, camera.point(x, height - number * size * 2.3, z), camera.scale(z) * size, z)


def draw_traffic_light(site: Site, side: int, z: float) -> None:
    """A post with a box of three lamps, one of them lit."""
    random, canvas, camera = site.random, site.canvas, site.camera
    x, height = site.kerb(side) + side * 0.5, random.uniform(2.8, 3.4)
    metal = canvas.surface("pole", times(stone(random), 0.7), z, "smooth", 0.0)
    _post(site, x, height, z, metal, 0.08)
    box = canvas.surface("sign", times(paint(random), 0.35), z, "smooth", 0.0)
    canvas.polygon(camera.front(x - 0.22, x + 0.22, height - 0.3, height + 0.75, z), box)
    lit = random.randrange(3)
    for number, colour in enumerate(((70, 220, 120), (240, 180, 60), (230, 50, 40))):
        shown: Rgb = colour if number == lit else times(colour, 0.25)
        lamp = canvas.surface("sign", shown, 0.0 if number == lit else z, "smooth", 0.0)
        size = camera.scale(z) * 0.26
        canvas.ellipse(camera.point(x, height - 0.1 + 0.32 * number, z), size, size, lamp)


def draw_bin(site: Site, side: int, z: float) -> None:
    """A bin or a box on the pavement: nobody labelled it."""
    random, canvas, camera = site.random, site.canvas, site.camera
    x = site.kerb(side) + side * random.uniform(0.5, max(0.6, site.walk - 0.6))
    wide, tall = random.uniform(0.25, 0.45), random.uniform(0.7, 1.2)
    canvas.shadow(camera.floor(x - wide, x + wide + 0.3, z - 0.2, z + 0.5), 0.7)
    colour = paint(random)
    canvas.polygon(camera.front(x - wide, x + wide, 0, tall, z), canvas.surface("void", colour, z, "grain", 0.08))
    lid = canvas.surface("void", times(colour, 0.7), z, "smooth", 0.0)
    canvas.polygon(camera.front(x - wide * 1.1, x + wide * 1.1, tall, tall + 0.12, z), lid)


def _post(site: Site, x: float, height: float, z: float, metal: int, girth: float) -> None:
    foot, top = site.camera.point(x, 0, z), site.camera.point(x, height, z)
    half = max(site.camera.scale(z) * girth, 1.0)
    site.canvas.polygon(
        [
            (foot[0] - half, foot[1]),
            (foot[0] + half, foot[1]),
            (top[0] + half * 0.7, top[1]),
            (top[0] - half * 0.7, top[1]),
        ],
        metal,
    )


def _board(site: Site, centre: Position, radius: float, z: float) -> None:
    random, canvas = site.random, site.canvas
    corners, turn = random.choice(((24, 0.0), (3, -pi / 2), (4, pi / 4), (8, pi / 8), (24, 0.0)))
    rim, face, mark = (canvas.surface("sign", paint(random), z, "smooth", 0.0) for _ in range(3))
    radius = max(radius, 2.0)
    canvas.polygon(_ring(centre, radius, corners, turn), rim)
    canvas.polygon(_ring(centre, radius * 0.78, corners, turn), face)
    wide, tall = random.choice(((0.9, 0.25), (0.2, 0.8), (0.6, 0.6)))
    x, y = centre
    w, h = radius * wide / 2, radius * tall / 2
    canvas.polygon([(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)], mark)


def _ring(centre: Position, radius: float, corners: int, turn: float) -> list[Position]:
    steps = (turn + 2 * pi * corner / corners for corner in range(corners))
    return [(centre[0] + radius * cos(angle), centre[1] + radius * sin(angle)) for angle in steps]
