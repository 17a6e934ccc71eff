"""Images that a network does not take as they are."""

from __future__ import annotations

from types import MethodType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segbench.libraries.padding import pad_inputs
from segbench.libraries.traits import Traits, own_loss, with_traits


def network(**traits: Any) -> Any:
    return with_traits(nn.Identity(), Traits(**traits))


@pytest.mark.parametrize(
    ("traits", "size", "near", "padded"),
    [
        (Traits(), (360, 480), [(360, 480)], (360, 480)),
        (Traits(divisor=32), (360, 480), [(352, 480), (384, 480)], (384, 480)),
        (Traits(divisor=32), (20, 40), [(32, 32), (32, 64)], (32, 64)),
        (Traits(divisor=16, square=True), (360, 480), [(352, 352), (480, 480)], (480, 480)),
    ],
)
def test_the_sizes_next_to_one_are_named(traits: Traits, size: Any, near: list[Any], padded: Any) -> None:
    assert traits.near(size) == near
    assert traits.padded(size) == padded


def test_padding_is_black_and_lies_right_and_below() -> None:
    padding = network(divisor=4)
    pad_inputs(padding)
    given = torch.ones(1, 3, 3, 4)
    assert torch.equal(padding(given)[..., :3, :], given) and padding(given)[..., 3, :].count_nonzero() == 0


def test_a_loss_of_its_own_does_not_count_what_was_padded() -> None:
    def loss(self: Any, images: Tensor, labels: Tensor) -> Tensor:
        return torch.stack([(labels == 255).sum(), images.sum()])

    padding = network(divisor=4)
    padding.training_loss = MethodType(loss, padding)
    pad_inputs(padding)
    padded = own_loss(padding)
    assert padded is not None
    assert padded(torch.ones(1, 1, 3, 4), torch.zeros(1, 3, 4)).tolist() == [4, 12]


def test_a_network_of_any_size_keeps_its_loss_whatever_that_is() -> None:
    """A network of the user's may have a function, which is no method of it."""
    anybodys = network()
    anybodys.training_loss = loss = lambda images, labels: images.sum() + labels.sum()
    pad_inputs(anybodys)
    assert own_loss(anybodys) is loss
