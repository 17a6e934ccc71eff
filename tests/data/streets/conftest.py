"""A street whose measures are known."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from segbench.data.streets.camera import Camera
from segbench.data.streets.canvas import FINE, Canvas
from segbench.data.streets.light import Light
from segbench.data.streets.site import Site

WIDTH, HEIGHT = 96, 72

NOON = Light(
    zenith=(70, 120, 190),
    skyline=(180, 200, 220),
    clouds=0.0,
    sun=(1.0, 1.0, 1.0),
    side=0.0,
    shadow=0.5,
    haze=1e9,
    dark=False,
    gain=1.0,
)
"""White light, clear air: colours come out as they were put in."""


@pytest.fixture
def make_site() -> Callable[..., Site]:
    """A street of 6 metres seen from its middle, horizon at half height."""

    def make(seed: int = 0, light: Light = NOON, width: int = WIDTH, height: int = HEIGHT) -> Site:
        random = Random(seed)
        camera = Camera(focal=FINE * height * 1.2, centre=FINE * width / 2, horizon=FINE * height / 2, height=1.5)
        canvas = Canvas(width, height, light, random)
        return Site(canvas, camera, light, random, left=-3.0, right=3.0, walk=2.0, forward=1)

    return make
