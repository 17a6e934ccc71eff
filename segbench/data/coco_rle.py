"""Run lengths as COCO compresses them into text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_OFFSET = 48
_MORE, _SIGN = 0x20, 0x10


def run_lengths(counts: str | Sequence[int]) -> NDArray[np.int64]:
    """Lengths of alternating runs, zeros first, down the columns.

    The text holds numbers in groups of five bits, lowest first, one group a character (code minus 48); bit 5 says that
    more follow, bit 4 of a number's last group is its sign. From the fourth number on, each is the difference to the
    one two before. (cocoapi, common/maskApi.c, rleFrString.) Uncompressed lists of lengths are taken as they are.

    Raises:
        ValueError: not such a text.
    """
    if not isinstance(counts, str):
        return np.asarray(counts, np.int64)
    codes = np.frombuffer(counts.encode("latin-1"), np.uint8).astype(np.int64) - _OFFSET
    if codes.size == 0:
        return codes
    last = (codes & _MORE) == 0
    if not last[-1] or codes.min() < 0 or codes.max() >= 2 * _MORE:
        raise ValueError("run lengths are cut off or contain a foreign character")
    starts = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])
    group = np.cumsum(np.concatenate([[0], last[:-1].astype(np.int64)]))
    place = np.arange(codes.size) - starts[group]
    numbers = np.add.reduceat((codes & 0x1F) << (5 * place), starts)
    negative = (codes[last] & _SIGN) != 0
    numbers[negative] -= 1 << (5 * (place[last][negative] + 1))
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def mask(counts: str | Sequence[int], height: int, width: int) -> NDArray[np.bool_]:
    """The mask `(H, W)` of such runs.

    Raises:
        ValueError: the runs do not fill height x width pixels exactly.
    """
    lengths = run_lengths(counts)
    if (lengths < 0).any() or lengths.sum() != height * width:
        raise ValueError(f"run lengths do not fill {width}x{height} pixels")
    inside = np.arange(lengths.size) % 2 == 1
    return np.repeat(inside, lengths).reshape(width, height).T
