from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.errors import UnknownName, UserError
from segbench.zoo import HasTrajectory
from segbench.zoo.level_set import LevelSetNode, slope


def network(**arguments: Any) -> LevelSetNode:
    fixed = {"solver": "euler", "gradient": "backprop", "width": 8, "coarse_arguments": {"width": 2}}
    torch.manual_seed(0)
    return LevelSetNode(**{**fixed, **arguments})


def images() -> Tensor:
    return torch.rand(2, 3, 33, 42, generator=torch.Generator().manual_seed(1))


class Disc(nn.Module):
    """A coarse network that always finds the same disc, of radius 10 pixels around the middle of 40x40."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
        inside = 10 - ((rows - 19.5).square() + (columns - 19.5).square()).sqrt()
        self.register_buffer("scores", torch.stack([-inside, inside])[None])

    def forward(self, images: Tensor) -> Tensor:
        return self.scores.expand(len(images), -1, -1, -1)


def test_at_time_0_the_contour_is_the_coarse_networks() -> None:
    moved = network(coarse=f"{__name__}:Disc", coarse_arguments={}).eval()
    start, end = moved.trajectory(torch.rand(1, 3, 40, 40), [0, 1])
    disagreeing = start.argmax(1) != moved.coarse(torch.rand(1, 3, 40, 40)).argmax(1)  # type: ignore[misc]
    assert disagreeing.sum() <= 40  # along 63 pixels of contour, at half the size
    assert not torch.allclose(start, end)


def test_two_classes_are_one_contour_and_more_are_one_each() -> None:
    assert network().eval()(images()).shape == (2, 2, 33, 42)
    two, five = network().eval(), network(classes=5).eval()
    assert (two.contours, five.contours) == (1, 5)
    logits = two(images())
    assert torch.equal(logits[:, 0], -logits[:, 1])


def test_the_cross_entropy_of_its_two_scores_is_binary_on_phi() -> None:
    logits = network().eval()(images())
    labels = torch.randint(2, (2, 33, 42))
    inside = logits[:, 1] - logits[:, 0]  # -phi / tau
    binary = functional.binary_cross_entropy_with_logits(inside, labels.float())
    assert torch.allclose(functional.cross_entropy(logits, labels), binary)


def test_the_coarse_network_learns_by_its_own_scores_alone() -> None:
    moved = network()
    outputs = moved(images())
    outputs["out"].square().mean().backward(retain_graph=True)
    assert all(p.grad is None for p in moved.coarse.parameters())  # type: ignore[union-attr]
    outputs["aux"].square().mean().backward()
    assert all(p.grad is not None for p in moved.coarse.parameters())  # type: ignore[union-attr]


def test_the_image_evolves_without_a_mask() -> None:
    evolving = network(evolution="image")
    logits = evolving(images())
    assert logits.shape == (2, 2, 33, 42)
    logits.square().mean().backward()
    assert all(p.grad is not None for p in evolving.parameters())
    assert isinstance(evolving, HasTrajectory)


def test_a_geometric_front_stands_still_where_phi_is_flat() -> None:
    front = network(geometric=True, coarse=f"{__name__}:Disc", coarse_arguments={}, reach=2)
    phi = front._start(torch.rand(1, 3, 40, 40), front._coarse_scores(torch.rand(1, 3, 40, 40)))
    change = front.ode.f(0.0, phi)[0]
    assert change[..., 0, 0].abs() < 1e-4 < change.abs().max()


def test_the_slope_of_a_plane_is_its_gradient() -> None:
    rows, columns = torch.meshgrid(torch.arange(5.0), torch.arange(6.0), indexing="ij")
    found = slope((3 * rows + 4 * columns)[None, None])
    assert torch.allclose(found[..., 1:-1, 1:-1], torch.tensor(5.0))


def test_another_evolution_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean contour"):
        network(evolution="contours")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"reach": 0}, "reach is 0"),
        *(({"coarse": name}, "write module:Class") for name in ("unet", "a.b:C", "torch:C")),
    ],
)
def test_what_it_cannot_start_from_is_one_sentence(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        network(**arguments)
