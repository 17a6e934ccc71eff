from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segbench.zoo.exchange import ExchangeModule

WIDTHS = (4, 8, 16, 32)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def streams(batch: int = 1) -> tuple[Tensor, ...]:
    torch.manual_seed(0)
    return tuple(torch.randn(batch, width, rows, rows + 1) for width, rows in zip(WIDTHS, (11, 6, 3, 2), strict=True))


def test_each_part_counts_as_the_study_derived_it() -> None:
    with torch.device("meta"):
        module = ExchangeModule()
    assert [parameters(branch) for branch in module.branches] == [83_328, 332_544, 1_328_640, 5_311_488]
    assert [parameters(row) for row in module.fuse] == [33_600, 98_016, 448_224, 2_365_536]
    assert parameters(module) == 10_001_376


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ({"norm": "group"}, 10_001_376),
        ({"descent": "keeping"}, 8_818_752),
        ({"time_conditioned": True}, 10_001_376 + 5_760),
    ],
)
def test_norm_descent_and_time_count_as_said(arguments: dict[str, Any], count: int) -> None:
    with torch.device("meta"):
        assert parameters(ExchangeModule(**arguments)) == count


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_the_change_has_the_shapes_of_the_streams_and_both_signs(norm: str) -> None:
    change = ExchangeModule(WIDTHS, norm=norm)(streams(2))
    assert [maps.shape for maps in change] == [maps.shape for maps in streams(2)]
    assert all(maps.min() < 0 < maps.max() for maps in change)


def test_without_convolutions_between_streams_the_branches_remain() -> None:
    module = ExchangeModule(WIDTHS, blocks=1)
    for path in module.fuse.modules():
        if isinstance(path, nn.Conv2d):
            nn.init.zeros_(path.weight)
    expected = [branch[0](maps) for branch, maps in zip(module.branches, streams(), strict=True)]
    assert all(torch.equal(a, b) for a, b in zip(module(streams()), expected, strict=True))


def test_with_skips_and_no_convolutions_the_streams_come_back() -> None:
    module = ExchangeModule(WIDTHS, skip=True)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.zeros_(layer.weight)
    assert all(torch.equal(a, b) for a, b in zip(module(streams()), streams(), strict=True))


def test_time_has_no_say_until_it_is_learnt() -> None:
    module = ExchangeModule(WIDTHS, norm="group", time_conditioned=True)
    early, late = module(streams(), 0.0), module(streams(), 1.0)
    assert all(torch.equal(a, b) for a, b in zip(early, late, strict=True))
    module.branches[0][0].film.shift.data.fill_(1.0)
    assert not torch.equal(module(streams(), 1.0)[0], early[0])


def test_thin_layers_change_neither_the_result_nor_a_gradient() -> None:
    thick = ExchangeModule(WIDTHS, norm="group").double()
    recomputing = ExchangeModule(WIDTHS, norm="group", recompute=True).double()
    recomputing.load_state_dict(thick.state_dict())
    for module in (thick, recomputing):
        sum(maps.square().sum() for maps in module(tuple(maps.double() for maps in streams()))).backward()
    for (name, one), other in zip(thick.named_parameters(), recomputing.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-11, atol=1e-11), name
