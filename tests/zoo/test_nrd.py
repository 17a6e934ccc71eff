from __future__ import annotations

import pytest
import torch
from torch import nn

from segbench.adaptive.run import costs_vary
from segbench.meters.operations import count_operations
from segbench.zoo.nrd import NRD, PATCH, PatchDecoder, decode, positions


def small(classes: int = 5) -> NRD:
    torch.manual_seed(0)
    return NRD(classes, depth=18, width=4, context_width=8, low_width=4)


@pytest.mark.parametrize(("classes", "parameters"), [(11, 763), (19, 899)])
def test_a_tiny_network_has_as_many_parameters_as_the_authors(classes: int, parameters: int) -> None:
    writer = PatchDecoder(8, 16, classes).controller[-1]
    assert isinstance(writer, nn.Conv2d)
    assert writer.out_channels == parameters == 576 + 17 * classes


def test_a_patch_is_decoded_by_its_own_network() -> None:
    """Two places with one hidden unit: 3 x + 1, and 2 x - 4 cut at zero; then doubled, and 10 added or subtracted."""
    seen = torch.tensor([[[1.0], [2.0]], [[1.0], [3.0]]])
    parameters = torch.tensor([[3.0, 1, 2, 0, 1, -1, 0, 10], [2.0, -4, 2, 0, 1, -1, 0, 10]])
    decoded = decode(seen, parameters, [(1, 1), (1, 1), (1, 2)])
    assert decoded.tolist() == [[[8, 2], [14, -4]], [[0, 10], [4, 6]]]


def test_positions_count_eighths_of_a_patch() -> None:
    columns, rows = positions(torch.empty(1, 3, 8, 16))[0]
    assert columns[0].tolist() == rows[:, 0].tolist() * 2 == [eighth / 8 for eighth in range(8)] * 2
    assert rows[:, 5].tolist() == rows[:, 0].tolist()


def test_a_place_decides_about_its_own_patch_only() -> None:
    decoder = PatchDecoder(8, 16, 5).eval()
    guidance, coarse = torch.randn(1, 16, 14, 24), torch.randn(1, 8, 2, 3)
    decoder.controller = nn.Sequential(nn.Conv2d(8, 661, 1))
    changed = coarse.clone()
    changed[..., 1, 2] += 1
    differs = (decoder(coarse, guidance) != decoder(changed, guidance)).any(1)[0]
    assert differs.shape == (14, 24)
    assert differs[PATCH:, 2 * PATCH :].any()
    assert differs.sum() == differs[PATCH:, 2 * PATCH :].sum()


def test_products_of_the_decoder_are_a_hand_count() -> None:
    decoder = PatchDecoder(8, 16, 5)
    counted = count_operations(decoder, lambda: decoder(torch.randn(1, 8, 2, 3), torch.randn(1, 16, 14, 24)))
    places, per_pixel = 6, 18 * 16 + 16 * 16 + 16 * 5
    assert counted.macs == {"convolution": places * (8 * 8 * 9 + 8 * 661), "matmul": places * 64 * per_pixel}


def test_every_image_costs_the_same() -> None:
    network = small().eval()
    assert not costs_vary(network)
    one, other = torch.randn(2, 1, 3, 70, 90).unbind()
    costs = {count_operations(network, lambda image=image: network(image)).total_macs for image in (one, other)}
    assert len(costs) == 1


def test_training_has_auxiliary_scores_at_stride_16() -> None:
    answer = small().train()(torch.randn(2, 3, 70, 90))
    assert isinstance(answer, dict)
    assert (answer["out"].shape, answer["aux"].shape) == ((2, 5, 70, 90), (2, 5, 5, 6))
