"""Input sizes of one aspect, numbered from the smallest: the axis along which the largest input is searched."""

from __future__ import annotations

from dataclasses import dataclass

GRID = 8
"""Sides are multiples of it: networks halve their maps at least three times."""


@dataclass(frozen=True)
class InputAxis:
    """Sizes near the aspect of `width` x `height`; number n is `8 n` pixels high.

    480x360 is number 45 of its own axis exactly; where the aspect is odd, widths are rounded to the grid.
    """

    width: int
    height: int

    def size(self, number: int) -> tuple[int, int]:
        """(width, height) in pixels of size number 1, 2, ..."""
        height = GRID * number
        return max(GRID, round(height * self.width / self.height / GRID) * GRID), height

    def pixels(self, number: int) -> int:
        width, height = self.size(number)
        return width * height

    def number_of(self, pixels: float) -> int:
        """The largest number whose size has at most so many pixels; at least 1."""
        number = max(1, int((pixels * self.height / self.width) ** 0.5 / GRID) + 1)
        while number > 1 and self.pixels(number) > pixels:
            number -= 1
        return number
