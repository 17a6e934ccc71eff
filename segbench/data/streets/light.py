"""Weather and the hour: what they do to the colours of everything at once."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """One moment.

    Attributes:
        zenith, skyline: the sky's colour above and at the horizon; the latter is also the haze's.
        clouds: contrast of the clouds.
        sun: colour of the light that falls on things, 1 = white.
        side: where the sun stands, -1 left to 1 right.
        shadow: brightness inside a shadow, 1 = no shadow.
        haze: distance in metres at which a thing has lost 63 % of its own colour.
        dark: whether windows and lamps are lit.
        gain: exposure.
    """

    zenith: Rgb
    skyline: Rgb
    clouds: float
    sun: Rgb
    side: float
    shadow: float
    haze: float
    dark: bool
    gain: float


def any_light(random: Random) -> Light:
    """Clear, cloudy, golden, hazy or dusky, with the camera's own white balance and exposure on top."""
    zenith, skyline, clouds, sun, shadow, haze, dark = random.choice(
        (
            ((72, 118, 190), (176, 202, 224), 0.10, (1.05, 1.02, 0.95), 0.55, 400.0, False),
            ((96, 140, 200), (205, 215, 222), 0.22, (1.0, 1.0, 0.97), 0.65, 300.0, False),
            ((150, 155, 162), (205, 206, 206), 0.14, (0.88, 0.90, 0.93), 0.9, 220.0, False),
            ((120, 126, 136), (176, 178, 180), 0.25, (0.76, 0.78, 0.82), 0.92, 160.0, False),
            ((104, 122, 160), (244, 206, 160), 0.16, (1.08, 0.95, 0.78), 0.6, 260.0, False),
            ((196, 196, 192), (218, 216, 210), 0.04, (0.9, 0.9, 0.9), 0.95, 80.0, False),
            ((48, 58, 96), (196, 150, 130), 0.18, (0.56, 0.55, 0.66), 0.85, 200.0, True),
        )
    )
    balance = tuple(random.uniform(0.94, 1.06) for _ in range(3))
    red, green, blue = (value * factor for value, factor in zip(sun, balance, strict=True))
    return Light(
        zenith=jitter(random, zenith, 12),
        skyline=jitter(random, skyline, 10),
        clouds=clouds,
        sun=(red, green, blue),
        side=random.uniform(-1, 1),
        shadow=shadow,
        haze=haze,
        dark=dark,
        gain=random.uniform(0.85, 1.12),
    )


def jitter(random: Random, colour: Rgb, amount: float) -> Rgb:
    """A colour near the given one: lighter or darker, and a little off."""
    shift = random.uniform(-amount, amount)
    red, green, blue = (min(max(value + shift + random.uniform(-amount, amount) / 3, 0), 255) for value in colour)
    return red, green, blue


def times(colour: Rgb, factor: float) -> Rgb:
    """A colour lighter (factor above 1) or darker."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor
