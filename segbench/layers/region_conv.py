"""Region convolution: a convolution's values at some positions only (Li et al., arXiv 1704.01344, section 3.3).

As in the authors' layer, the neighbourhoods of the wanted positions are gathered, one matrix product makes their
values, and these are put where they belong. Maps are kept as rows, one a position with its channels side by side, which
is how a channels_last map lies in memory: gathering copies whole rows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

GATHERED_SHARE = 0.5
"""Up to this share of the positions a region is gathered; above it the whole map is convolved, and masked.

Residual blocks of 16 to 1024 channels on maps of 45x60 take the same time either way near one half, on one CPU thread.
"""


def rows_of(maps: Tensor) -> Tensor:
    """`(N, C, h, w)` -> `(N * h * w + 1, C)`; the last row is 0: what a convolution reads outside of the map."""
    rows = maps.permute(0, 2, 3, 1).flatten(0, 2)
    return functional.pad(rows, (0, 0, 0, 1))


def maps_of(rows: Tensor, count: int, size: tuple[int, int]) -> Tensor:
    """The reverse for `count` images of `size`."""
    return rows[:-1].view(count, *size, -1).permute(0, 3, 1, 2)


class Region:
    """Some positions of maps `(N, C, h, w)`.

    Args:
        mask: `(N, h, w)` bool, of the positions that are computed.
        active: the rows of those positions `(A,)`, rising; None: looked up in the mask.
    """

    def __init__(self, mask: Tensor, active: Tensor | None = None) -> None:
        self.mask = mask
        self.active = mask.flatten().nonzero()[:, 0] if active is None else active
        self._tables: dict[tuple[object, ...], Tensor] = {}

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return len(self.active) == self.mask.numel()

    @property
    def is_gathered(self) -> bool:
        """Whether gathering is the faster way, by a rule of thumb: see `GATHERED_SHARE`."""
        return len(self.active) <= GATHERED_SHARE * self.mask.numel()

    def scattered(self, values: Tensor) -> Tensor:
        """Rows `(P + 1, C)` with `values` `(A, C)` at the active positions and 0 elsewhere."""
        return values.new_zeros(self.mask.numel() + 1, values.shape[1]).index_copy_(0, self.active, values)

    def replaced(self, values: Tensor, rows: Tensor) -> Tensor:
        """A copy of `rows` `(P + 1, C)` with `values` `(A, C)` at the active positions."""
        return rows.index_copy(0, self.active, values)

    def convolve(self, conv: nn.Conv2d, rows: Tensor, source: tuple[int, int] | None = None) -> Tensor:
        """The convolution's values at the active positions, `(A, outputs)`.

        Args:
            conv: of any stride and dilation, with zeros outside and in one group.
            rows: of the map it reads, `(P + 1, inputs)`, as `rows_of` gives them.
            source: that map's size; None: the mask's.
        """
        return _product(conv, rows, self._table(conv, source or (self.mask.shape[1], self.mask.shape[2])))

    def convolve_within(self, conv: nn.Conv2d, values: Tensor) -> Tensor:
        """The same of a map that is known at the active positions only, `(A, inputs)`, and 0 elsewhere."""
        if conv.kernel_size == (1, 1):
            return functional.linear(values, conv.weight.flatten(1), conv.bias)
        return _product(conv, functional.pad(values, (0, 0, 0, 1)), self._table_within(conv))

    def _table(self, conv: nn.Conv2d, source: tuple[int, int]) -> Tensor:
        """Which row each active position reads through each tap of the kernel `(A, taps)`."""
        key = (conv.kernel_size, conv.stride, conv.dilation, source)
        if key not in self._tables:
            self._tables[key] = self._neighbours(conv, source)
        return self._tables[key]

    def _table_within(self, conv: nn.Conv2d) -> Tensor:
        """Which active position each reads, counted among the active ones."""
        key = (conv.kernel_size, conv.dilation)
        if key not in self._tables:
            places = torch.full((self.mask.numel() + 1,), len(self.active), device=self.mask.device)
            places[self.active] = torch.arange(len(self.active), device=self.mask.device)
            self._tables[key] = places[self._table(conv, (self.mask.shape[1], self.mask.shape[2]))]
        return self._tables[key]

    def _neighbours(self, conv: nn.Conv2d, source: tuple[int, int]) -> Tensor:
        count, height, width = self.mask.shape
        image, place = self.active // (height * width), self.active % (height * width)
        down = _taps(place // width, conv, 0)[:, :, None]
        right = _taps(place % width, conv, 1)[:, None, :]
        row = (image[:, None, None] * source[0] + down) * source[1] + right
        inside = (down >= 0) & (down < source[0]) & (right >= 0) & (right < source[1])
        return torch.where(inside, row, count * source[0] * source[1]).flatten(1)


def _taps(place: Tensor, conv: nn.Conv2d, axis: int) -> Tensor:
    """The coordinates `(A, k)` that the kernel reads along an axis."""
    padding = conv.padding[axis]
    assert isinstance(padding, int)  # "same" and "valid" are strings
    offsets = torch.arange(conv.kernel_size[axis], device=place.device) * conv.dilation[axis] - padding
    return place[:, None] * conv.stride[axis] + offsets


def _product(conv: nn.Conv2d, rows: Tensor, table: Tensor) -> Tensor:
    gathered = rows.index_select(0, table.flatten()).view(*table.shape, rows.shape[1]).flatten(1)
    weight = conv.weight.permute(0, 2, 3, 1).flatten(1)
    return functional.linear(gathered, weight, conv.bias)
