from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from segbench.zoo.block_unet import BlockUNet


class Tenfold(nn.Module):
    """Notes the shapes that it sees."""

    seen: list[tuple[int, ...]]

    def forward(self, maps: Tensor) -> Tensor:
        self.seen.append(tuple(maps.shape[1:]))
        return maps * 10


def built(down_from_input: bool = False) -> tuple[BlockUNet, list[tuple[int, ...]]]:
    seen: list[tuple[int, ...]] = []

    def block(_: int) -> Tenfold:
        made = Tenfold()
        made.seen = seen
        return made

    torch.manual_seed(0)
    return BlockUNet(3, 4, 3, block, down_from_input), seen


def test_widths_double_and_odd_sizes_are_halved_upwards_and_met_again() -> None:
    network, seen = built()
    assert network(torch.rand(1, 3, 21, 30)).shape == (1, 3, 21, 30)
    assert seen == [(4, 21, 30), (8, 11, 15), (16, 6, 8), (8, 11, 15), (4, 21, 30)]


@pytest.mark.parametrize(("down_from_input", "same"), [(True, True), (False, False)])
def test_the_way_down_takes_a_blocks_input_or_its_result(down_from_input: bool, same: bool) -> None:
    network, _ = built(down_from_input)
    bottom: list[Tensor] = []
    network.encoder[-1].register_forward_pre_hook(lambda _, inputs: bottom.append(inputs[0]))
    images = torch.rand(1, 3, 16, 16)
    network(images)
    network.encoder[0] = nn.Identity()
    network(images)
    assert torch.equal(bottom[0], bottom[1]) == same
