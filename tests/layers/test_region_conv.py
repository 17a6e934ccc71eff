from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from segbench.layers.region_conv import Region, maps_of, rows_of
from segbench.meters.operations import count_operations

MAPS = torch.rand(2, 3, 6, 7, generator=torch.Generator().manual_seed(0))


def some(count: int, height: int, width: int, share: float = 0.3) -> Tensor:
    return torch.rand(count, height, width, generator=torch.Generator().manual_seed(3)) < share


def test_rows_and_maps_are_the_same_values() -> None:
    rows = rows_of(MAPS)
    assert torch.equal(rows[7 * 2 + 5], MAPS[0, :, 2, 5])
    assert torch.equal(rows[-1], torch.zeros(3))
    assert torch.equal(maps_of(rows, 2, (6, 7)), MAPS)


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(3, 5, 1),
        nn.Conv2d(3, 5, 3, padding=1, bias=False),
        nn.Conv2d(3, 5, 3, padding=2, dilation=2),
        nn.Conv2d(3, 5, 3, stride=2, padding=1),
        nn.Conv2d(3, 5, (1, 3), padding=(0, 1)),
    ],
    ids=lambda conv: f"{conv.kernel_size}, stride {conv.stride}, dilation {conv.dilation}",
)
def test_at_its_positions_it_equals_the_dense_convolution(conv: nn.Conv2d) -> None:
    with torch.no_grad():
        dense = conv(MAPS)
        mask = some(2, dense.shape[2], dense.shape[3])
        values = Region(mask).convolve(conv, rows_of(MAPS), (6, 7))
    assert torch.allclose(values, dense.permute(0, 2, 3, 1)[mask], atol=1e-6)


def test_within_a_region_the_rest_reads_as_zero() -> None:
    conv, mask = nn.Conv2d(3, 5, 3, padding=1), some(2, 6, 7, 0.6)
    with torch.no_grad():
        values = Region(mask).convolve_within(conv, MAPS.permute(0, 2, 3, 1)[mask])
        dense = conv(MAPS * mask[:, None])
    assert torch.allclose(values, dense.permute(0, 2, 3, 1)[mask], atol=1e-6)


def test_a_corner_by_hand() -> None:
    """A kernel of ones at the upper left corner of 1, 2, 3 / 4, 5, 6 / 7, 8, 9 sums 1 + 2 + 4 + 5."""
    conv = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    nn.init.ones_(conv.weight)
    mask = torch.zeros(1, 3, 3, dtype=torch.bool)
    mask[0, 0, 0] = True
    maps = torch.arange(1.0, 10).view(1, 1, 3, 3)
    assert Region(mask).convolve(conv, rows_of(maps)).tolist() == [[12.0]]


def test_only_the_positions_cost() -> None:
    conv, mask = nn.Conv2d(3, 5, 3, padding=1), torch.zeros(2, 6, 7, dtype=torch.bool)
    mask[0, 1, 2:5] = mask[1, 5, 6] = True
    rows = rows_of(MAPS)
    assert count_operations(conv, lambda: Region(mask).convolve(conv, rows)).total_macs == 4 * 9 * 3 * 5


def test_nothing_wanted_is_nothing_made() -> None:
    nothing = Region(torch.zeros(2, 6, 7, dtype=torch.bool))
    assert nothing.convolve(nn.Conv2d(3, 5, 3, padding=1), rows_of(MAPS)).shape == (0, 5)
    assert not nothing.is_whole


def test_gradients_pass_through_what_was_gathered() -> None:
    conv, mask, maps = nn.Conv2d(3, 5, 3, padding=1), some(2, 6, 7), MAPS.clone().requires_grad_()
    Region(mask).convolve(conv, rows_of(maps)).square().sum().backward()  # type: ignore[no-untyped-call]
    gathered, maps.grad = maps.grad, None
    conv(maps).permute(0, 2, 3, 1)[mask].square().sum().backward()
    assert gathered is not None
    assert maps.grad is not None
    assert torch.allclose(gathered, maps.grad, atol=1e-5)
