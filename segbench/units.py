"""Sizes and amounts as a user writes them, turned into raw SI numbers (bytes, seconds, pixels)."""

from __future__ import annotations

import re

from segbench.errors import UserError

KB, MB, GB, TB = 10**3, 10**6, 10**9, 10**12
KIB, MIB, GIB, TIB = 2**10, 2**20, 2**30, 2**40

_MOST_BYTES = 2**63
_BYTE_UNITS = {"": 1, "b": 1, "kb": KB, "mb": MB, "gb": GB, "tb": TB, "kib": KIB, "mib": MIB, "gib": GIB, "tib": TIB}


def parse_bytes(text: str) -> int:
    """`"32GB"` is 32e9 bytes and `"32GiB"` is 32 * 2^30: both mean what they say.

    Raises:
        UserError: not a number above 0 and below 8 EiB with one of the units B, kB, MB, GB, TB, KiB, MiB, GiB, TiB.
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", text)
    factor = _BYTE_UNITS.get(match[2].lower()) if match else None
    if match is None or factor is None or not 0 < float(match[1]) * factor < _MOST_BYTES:
        raise UserError(f"{text!r} is not an amount of memory; write it like 32GB (10^9 bytes) or 32GiB (2^30 bytes)")
    return int(float(match[1]) * factor)


def parse_size(text: str) -> tuple[int, int]:
    """`"480x360"` is (width, height) = (480, 360), as the paper writes it.

    Raises:
        UserError: not two positive whole numbers with an x between them.
    """
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*[xX\u00d7]\s*([0-9]{1,9})\s*", text)
    if match is None or int(match[1]) < 1 or int(match[2]) < 1:
        raise UserError(f"{text!r} is not an input size; write WIDTHxHEIGHT in pixels, for example 480x360")
    return int(match[1]), int(match[2])
