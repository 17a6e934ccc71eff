"""Display colours of classes."""

from __future__ import annotations

Colour = tuple[int, int, int]
"""Red, green, blue, 0..255."""


def voc_colour(index: int) -> Colour:
    """The colour PASCAL VOC's development kit gives to a label 0..255: the index's bits, spread over the channels."""
    red = green = blue = 0
    for shift in range(7, -1, -1):
        red |= (index & 1) << shift
        green |= (index >> 1 & 1) << shift
        blue |= (index >> 2 & 1) << shift
        index >>= 3
    return red, green, blue


def parse_colour(text: str) -> Colour | None:
    """`"#804080"` or `"128 64 128"`, commas allowed, as (128, 64, 128); None if it is no colour."""
    if text.startswith("#") and len(text) == 7:
        words = [f"0x{text[place : place + 2]}" for place in (1, 3, 5)]
    else:
        words = text.replace(",", " ").split()
    try:
        channels = [int(word, 0) for word in words]
    except ValueError:
        return None
    if len(channels) != 3 or not all(0 <= channel <= 255 for channel in channels):
        return None
    return channels[0], channels[1], channels[2]
