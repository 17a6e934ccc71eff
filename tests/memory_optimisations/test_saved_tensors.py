from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from segbench.memory_optimisations.classes import mix_in
from segbench.memory_optimisations.saved_tensors import SMALLEST, KeepsOtherwise, Layout


class Noting:
    """Keeps tensors as they are, and a list of them."""

    def __init__(self) -> None:
        self.encoded: list[tuple[int, ...]] = []
        self.decoded = 0

    def encode(self, tensor: Tensor) -> Any:
        self.encoded.append(tuple(tensor.shape))
        return tensor

    def decode(self, kept: Tensor, like: Layout) -> Tensor:
        self.decoded += 1
        return kept


def noting(network: nn.Module) -> Noting:
    class Notes(KeepsOtherwise):
        codec = Noting()

    mix_in(Notes, network)
    return Notes.codec


def test_a_tensor_that_two_operators_save_is_kept_once_and_brought_back_twice() -> None:
    """The sigmoid's output, which the next convolution saves too; images and weights are alive anyway."""
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Sigmoid(), nn.Conv2d(8, 2, 1))
    notes = noting(network)
    network(torch.randn(2, 3, 16, 16)).sum().backward()
    assert (notes.encoded, notes.decoded) == ([(2, 8, 16, 16)], 2)


def test_a_tensor_that_was_overwritten_is_another_one() -> None:
    class Overwriting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 1)

        def forward(self, images: Tensor) -> Tensor:
            maps = self.conv(images)
            square = maps * maps
            return square.add(maps.mul_(2) ** 2)

    network, plain = Overwriting(), Overwriting()
    plain.load_state_dict(network.state_dict())
    notes = noting(network)
    images = torch.randn(2, 3, 16, 16)
    scores = network(images)
    assert len(notes.encoded) == 2  # before and after
    assert torch.equal(scores, plain(images))


def test_small_tensors_whole_numbers_and_gradient_free_runs_are_left_alone() -> None:
    network = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(1, 1, 1), nn.Sigmoid())
    notes = noting(network)
    network(torch.randn(1, 1, 62, 64, requires_grad=True)).sum().backward()
    assert notes.encoded == [] and SMALLEST > 31 * 32  # what the pool saves is int64
    with torch.no_grad():
        network(torch.randn(1, 1, 128, 128))
    network.eval()(torch.randn(1, 1, 128, 128))
    assert notes.encoded == []
