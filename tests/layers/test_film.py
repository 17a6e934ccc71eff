from __future__ import annotations

import torch

from segbench.layers.film import FiLM
from segbench.layers.norm_relu_conv import NormReluConv


def test_untrained_modulation_does_nothing_at_any_time() -> None:
    weight, bias = torch.rand(6), torch.rand(6)
    after = FiLM(6)(weight, bias, 0.7)
    assert torch.equal(after[0], weight)
    assert torch.equal(after[1], bias)


def test_folded_modulation_equals_scaling_and_shifting_the_normalised_values() -> None:
    torch.manual_seed(0)
    block = NormReluConv(4, 4, 1, time_conditioned=True).double()
    assert block.film is not None
    for parameter in block.parameters():
        parameter.data.normal_()
    images, time = torch.randn(2, 4, 3, 3, dtype=torch.double), torch.tensor(0.3, dtype=torch.double)
    scale, shift = (x.view(-1, 1, 1) for x in (block.film.scale, block.film.shift))
    expected = block.conv(torch.relu(block.norm(images) * (1 + time * scale) + time * shift))
    torch.testing.assert_close(block(images, time), expected)
    torch.testing.assert_close(block(images, 0.3), expected)


def test_it_costs_two_parameters_a_channel() -> None:
    assert sum(parameter.numel() for parameter in FiLM(720).parameters()) == 1440
