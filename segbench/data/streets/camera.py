"""Where a point of the street lands in the picture."""

from __future__ import annotations

from dataclasses import dataclass

Position = tuple[float, float]

NEAR = 2.5
"""Metres in front of the lens at which things are cut off."""


@dataclass(frozen=True)
class Camera:
    """A pinhole on a car's roof, looking down the street.

    Attributes:
        focal: focal length in pixels.
        centre: column of the vanishing point.
        horizon: its row.
        height: metres above the road.
    """

    focal: float
    centre: float
    horizon: float
    height: float

    def point(self, x: float, y: float, z: float) -> Position:
        """Pixel (column, row) of a point x metres to the right, y above the road, z ahead."""
        scale = self.focal / z
        return self.centre + scale * x, self.horizon + scale * (self.height - y)

    def scale(self, z: float) -> float:
        """Pixels a metre at a distance."""
        return self.focal / z

    def floor(self, x0: float, x1: float, z0: float, z1: float, y: float = 0.0) -> list[Position]:
        """The corners of a rectangle lying on the ground, or at height y."""
        return [self.point(x0, y, z0), self.point(x1, y, z0), self.point(x1, y, z1), self.point(x0, y, z1)]

    def wall(self, x: float, z0: float, z1: float, y0: float, y1: float) -> list[Position]:
        """The corners of an upright rectangle along the street."""
        return [self.point(x, y0, z0), self.point(x, y1, z0), self.point(x, y1, z1), self.point(x, y0, z1)]

    def front(self, x0: float, x1: float, y0: float, y1: float, z: float) -> list[Position]:
        """The corners of an upright rectangle that faces the camera."""
        left, low = self.point(x0, y0, z)
        right, high = self.point(x1, y1, z)
        return [(left, low), (right, low), (right, high), (left, high)]
