"""Residual blocks and heads at the positions of a region: the rest is neither computed nor changed."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.layers.region_conv import Region, maps_of, rows_of
from segbench.zoo.blocks import size_of
from segbench.zoo.residual import ResidualBlock


def blocks_at(blocks: nn.Sequential, maps: Tensor, region: Region) -> Tensor:
    """Residual blocks of stride 1 on `maps` `(N, C, h, w)`, at the positions of a region.

    What lies outside keeps its values where a block's shortcut is the identity, and is 0 after a projection; inside a
    block's body it is 0, so that its residual is 0 (our reading of the paper, which leaves it open). In training the
    norms' statistics are those of the region, so that it is always gathered; else the faster way is taken.
    """
    if region.is_whole:
        whole: Tensor = blocks(maps)
        return whole
    if blocks.training or region.is_gathered:
        rows = rows_of(maps)
        for block in blocks:
            rows = _gathered(block, rows, region)
        return maps_of(rows, len(maps), size_of(maps))
    for block in blocks:
        maps = _masked(block, maps, region.mask[:, None])
    return maps


def head_at(layers: nn.Sequential, maps: Tensor, region: Region, carried: Tensor) -> Tensor:
    """What the layers give of `maps` at the positions of a region, and `carried` `(N, C', h, w)` elsewhere."""
    if layers.training or region.is_gathered:
        values = _values(layers, rows_of(maps), region)
        return maps_of(region.scattered(values, rows_of(carried)), len(maps), size_of(maps))
    mask = region.mask[:, None]
    return torch.where(mask, _masked_layers(layers, maps, mask), carried)


def _gathered(block: nn.Module, rows: Tensor, region: Region) -> Tensor:
    assert isinstance(block, ResidualBlock)
    residual = _values(block.body, rows, region)
    if isinstance(block.shortcut, nn.Sequential):
        own, around = _values(block.shortcut, rows, region), rows.new_zeros(len(rows), residual.shape[1])
    else:
        own, around = rows.index_select(0, region.active), rows
    return region.scattered(functional.relu(own + residual), around)


def _values(layers: nn.Sequential, rows: Tensor, region: Region) -> Tensor:
    """`(A, C)`: the first convolution reads the whole map, the others what those before gave."""
    first, *others = layers
    assert isinstance(first, nn.Conv2d)
    values = region.convolve(first, rows)
    for layer in others:
        if isinstance(layer, nn.Conv2d):
            values = region.convolve_within(layer, values)
        else:
            values = layer(values[..., None, None])[..., 0, 0]
    return values


def _masked(block: nn.Module, maps: Tensor, mask: Tensor) -> Tensor:
    assert isinstance(block, ResidualBlock)
    residual = _masked_layers(block.body, maps, mask)
    around = torch.zeros_like(residual) if isinstance(block.shortcut, nn.Sequential) else maps
    return torch.where(mask, functional.relu(block.shortcut(maps) + residual), around)


def _masked_layers(layers: nn.Sequential, maps: Tensor, mask: Tensor) -> Tensor:
    for number, layer in enumerate(layers):
        inner = number > 0 and isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1)
        maps = layer(maps * mask if inner else maps)
    return maps
