"""Maps cut into blocks of high and of low resolution, and layers that see across the borders between them.

This is SegBlocks' BlockPad (Verelst and Tuytelaars, arXiv 2011.12025, section 3) without kernels of its own. All pixels
of all blocks stand in rows, those of high blocks first: what works pixel by pixel (norms, ReLUs, 1x1 convolutions) runs
on the rows as they are, and a norm sees both resolutions together. What looks at neighbours gathers each block with a
border from the blocks around it; where such a block has the other resolution, its nearest pixel, or the mean of four.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import Literal, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.zoo.blocks import resize
from segbench.zoo.residual import ResidualBlock

HIGH, LOW = 0, 1
"""Resolutions: a low block has half the side."""

Outside = Literal["zero", "nearest"]
"""What a border has outside of the image: zero, or the nearest pixel."""


@dataclass(frozen=True, eq=False)
class BlockLayout:
    """Which blocks have which resolution, and where their pixels stand.

    Attributes:
        high: `(N, rows, columns)` bool; on `meta`, where nobody knows, all of them, which takes the most memory.
    """

    high: Tensor
    numbers: tuple[Tensor, Tensor] = field(init=False)
    """Of the high and of the low blocks, among all."""
    _found: dict[tuple[int, int, int, Outside], Tensor] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        high = self.high.flatten()
        if high.is_meta:
            numbers = tuple(torch.arange(count, device="meta") for count in (len(high), 0))
        else:
            numbers = high.nonzero()[:, 0], (~high).nonzero()[:, 0]
        object.__setattr__(self, "numbers", numbers)

    @property
    def counts(self) -> tuple[int, int]:
        """Blocks of high and of low resolution."""
        return len(self.numbers[HIGH]), len(self.numbers[LOW])

    def split(self, maps: Tensor, side: int) -> BlockMaps:
        """Cuts maps into blocks; a low one takes the means of four pixels.

        Args:
            maps: `(N, C, H, W)`; half as large where no block is high.
            side: of a high block.
        """
        parts = []
        for resolution, numbers in enumerate(self.numbers):
            if len(numbers):
                own = side >> resolution
                whole = maps if maps.shape[2] == own * self.high.shape[1] else functional.avg_pool2d(maps, 2)
                rows, columns = self.high.shape[1:]
                cut = whole.reshape(*whole.shape[:2], rows, own, columns, own).permute(0, 2, 4, 3, 5, 1)
                parts.append(cut.flatten(0, 2).index_select(0, numbers).flatten(0, 2))
        return BlockMaps(self, torch.cat(parts), side)

    def canvas(self, resolution: int, side: int) -> Tensor:
        """Which of `BlockMaps.rows_at(resolution)` stands at each pixel of the whole maps, `(N, H, W)`.

        Args:
            resolution: of the whole maps.
            side: of a high block.
        """
        own, half = side >> resolution, side // 2
        steps = torch.arange(own, device=self.high.device)
        fine, coarse = (one[:, None] * width + one for one, width in ((steps, own), (steps * half // own, half)))
        inside = torch.where(self.high[..., None, None], fine, coarse)
        return (self._starts(own**2, half**2)[..., None, None] + inside).transpose(2, 3).flatten(3, 4).flatten(1, 2)

    def bordered(self, resolution: int, side: int, border: int, outside: Outside) -> Tensor:
        """The same for the pixels of each block of a resolution with a border around it, `(blocks, s, s)`.

        Args:
            resolution: of the blocks, and the border's pixels.
            side: of a high block.
            border: pixels to each side.
            outside: of the image; the row after the last is zero.
        """
        key = resolution, side, border, outside
        if key not in self._found:
            own, canvas = side >> resolution, self.canvas(resolution, side)
            if outside == "zero":
                canvas = functional.pad(canvas, [border] * 4, value=self._rows(own**2, (side // 2) ** 2))
            else:
                device = canvas.device
                rows, columns = (
                    torch.arange(-border, n + border, device=device).clamp(0, n - 1) for n in canvas.shape[1:]
                )
                canvas = canvas[:, rows][:, :, columns]
            blocks = canvas.unfold(1, own + 2 * border, own).unfold(2, own + 2 * border, own)
            self._found[key] = blocks.flatten(0, 2).index_select(0, self.numbers[resolution])
        return self._found[key]

    def _starts(self, high_area: int, low_area: int) -> Tensor:
        """Where each block's rows begin `(N, rows, columns)`."""
        rank = self.high.flatten().cumsum(0).view(self.high.shape) - 1
        before = torch.arange(self.high.numel(), device=self.high.device).view(self.high.shape)
        return torch.where(self.high, rank * high_area, self.counts[HIGH] * high_area + (before - rank - 1) * low_area)

    def _rows(self, high_area: int, low_area: int) -> int:
        return self.counts[HIGH] * high_area + self.counts[LOW] * low_area


@dataclass(frozen=True, eq=False)
class BlockMaps:
    """Maps in blocks.

    Attributes:
        layout: of the blocks.
        rows: `(pixels, C)`: high blocks in order, each row by row, then low ones.
        side: of a high block, in pixels of these maps.
    """

    layout: BlockLayout
    rows: Tensor
    side: int

    def __add__(self, other: BlockMaps) -> BlockMaps:
        return self.with_rows(self.rows + other.rows)

    def with_rows(self, rows: Tensor) -> BlockMaps:
        """Others in the same places."""
        return BlockMaps(self.layout, rows, self.side)

    def pixel_by_pixel(self, layer: Callable[[Tensor], Tensor]) -> BlockMaps:
        """Through a layer that takes `(N, C, H, W)` and looks at no neighbours.

        It gets one line of pixels in the layout channels_last. As a transposed matrix `(1, C, pixels, 1)` they would
        give the same, but the CPU's batch norm wrong gradients (torch 2.13).
        """
        line = self.rows.view(1, 1, *self.rows.shape).permute(0, 3, 1, 2)
        return self.with_rows(layer(line).permute(0, 2, 3, 1).reshape(len(self.rows), -1))

    def with_borders(self, layer: Callable[[Tensor], Tensor], border: int, outside: Outside = "zero") -> BlockMaps:
        """Through a layer that takes blocks `(blocks, C, s, s)` with a border, and gives them without."""
        parts, side = [], self.side
        for resolution, count in enumerate(self.layout.counts):
            if count:
                places = self.layout.bordered(resolution, self.side, border, outside)
                blocks = self._gathered(resolution, places)
                out = layer(blocks)
                side = out.shape[-1] << resolution
                parts.append(out.permute(0, 2, 3, 1).flatten(0, 2))
        return BlockMaps(self.layout, torch.cat(parts), side)

    def joined(self) -> Tensor:
        """The whole maps `(N, C, H, W)`, low blocks enlarged by repetition; half as large where no block is high."""
        return self._whole(LOW if not self.layout.counts[HIGH] else HIGH)

    def enlarged(self) -> Tensor:
        """The whole maps `(N, C, H, W)`, low blocks enlarged bilinearly over their borders."""
        if not self.layout.counts[LOW]:
            return self._whole(HIGH)
        high = self.layout.high.repeat_interleave(self.side, 1).repeat_interleave(self.side, 2)
        coarse = resize(self._whole(LOW), (high.shape[1], high.shape[2]))
        return torch.where(high[:, None], self._whole(HIGH), coarse) if self.layout.counts[HIGH] else coarse

    def rows_at(self, resolution: int) -> Tensor:
        """All pixels as blocks of a resolution see them, and a row of zeros `(pixels + 1, C)`.

        A high block sees the pixels as they are; a low one, of high blocks, the means of four.
        """
        rows, high = self.rows, self.layout.counts[HIGH]
        if resolution == LOW and high:
            border = high * self.side**2
            blocks = rows[:border].view(high, self.side, self.side, -1).permute(0, 3, 1, 2)
            rows = torch.cat([functional.avg_pool2d(blocks, 2).permute(0, 2, 3, 1).flatten(0, 2), rows[border:]])
        return functional.pad(rows, (0, 0, 0, 1))

    def _whole(self, resolution: int) -> Tensor:
        return self._gathered(resolution, self.layout.canvas(resolution, self.side))

    def _gathered(self, resolution: int, places: Tensor) -> Tensor:
        """`places` `(n, h, w)` of `rows_at(resolution)` -> `(n, C, h, w)`."""
        rows = self.rows_at(resolution).index_select(0, places.flatten())
        return rows.view(*places.shape, -1).permute(0, 3, 1, 2)


AnyMaps = TypeVar("AnyMaps", Tensor, BlockMaps)


def over(layer: nn.Module, maps: AnyMaps) -> AnyMaps:
    """`layer` over whole maps, or over blocks, where it sees across their borders.

    Known in blocks are `nn.Sequential`, residual blocks, convolutions without dilation and groups, max pooling without
    dilation of what is never negative, and whatever works pixel by pixel.
    """
    return layer(maps) if isinstance(maps, Tensor) else _over_blocks(layer, maps)  # type: ignore[no-any-return]


def doubled(maps: AnyMaps) -> AnyMaps:
    """Enlarged bilinearly to twice the size."""
    if isinstance(maps, Tensor):
        return functional.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)
    return maps.with_borders(lambda blocks: doubled(blocks)[..., 2:-2, 2:-2], 1, "nearest")


def over_whole(layer: Callable[[Tensor], Tensor], maps: AnyMaps) -> AnyMaps:
    """Through a layer that looks at all of an image and keeps the size."""
    if isinstance(maps, Tensor):
        return layer(maps)
    return maps.layout.split(layer(maps.joined()), maps.side)


def _over_blocks(layer: nn.Module, maps: BlockMaps) -> BlockMaps:
    if isinstance(layer, nn.Sequential):
        return reduce(lambda between, part: _over_blocks(part, between), layer, maps)
    if isinstance(layer, ResidualBlock):
        both = _over_blocks(layer.shortcut, maps) + _over_blocks(layer.body, maps)
        return both.pixel_by_pixel(functional.relu)
    assert getattr(layer, "dilation", 1) in (1, (1, 1)) and getattr(layer, "groups", 1) == 1, layer
    if isinstance(layer, nn.Conv2d) and (layer.kernel_size, layer.stride) != ((1, 1), (1, 1)):
        convolve = partial(functional.conv2d, weight=layer.weight, bias=layer.bias, stride=layer.stride)
        return maps.with_borders(convolve, int(layer.padding[0]))
    if isinstance(layer, nn.MaxPool2d):
        pool = partial(functional.max_pool2d, kernel_size=layer.kernel_size, stride=layer.stride)
        return maps.with_borders(pool, cast(int, layer.padding))
    return maps.pixel_by_pixel(layer)
