from __future__ import annotations

import pytest
import torch

from segbench.errors import UnknownName
from segbench.ode.block import ODEBlock
from segbench.zoo import HasTrajectory
from segbench.zoo.unode import UNode, UNodeField


@pytest.mark.parametrize(("width", "parameters"), [(16, 2_087_346), (48, 18_692_882)])
def test_it_counts_as_the_released_code(width: int, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in UNode(2, width).parameters()) == parameters


def test_it_has_nine_blocks() -> None:
    with torch.device("meta"):
        assert sum(isinstance(module, ODEBlock) for module in UNode().modules()) == 9


def test_the_released_code_does_not_use_its_first_norm() -> None:
    field, released = UNodeField(2), UNodeField(2, norm_first=False)
    released.load_state_dict(field.state_dict())
    maps = torch.randn(1, 2, 5, 6)
    louder = maps * 10
    assert torch.allclose(field(0.5, maps), field(0.5, louder), atol=1e-4)
    assert not torch.allclose(released(0.5, maps), released(0.5, louder), atol=1e-4)


def test_without_time_f_is_the_same_at_all_times() -> None:
    maps = torch.randn(1, 2, 5, 6)
    timed, plain = UNodeField(2), UNodeField(2, time=False)
    assert torch.equal(plain(0.0, maps), plain(1.0, maps))
    assert not torch.equal(timed(0.0, maps), timed(1.0, maps))


def test_its_derivative_ends_with_the_activation() -> None:
    maps = torch.randn(1, 2, 5, 6)
    assert (UNodeField(2, activation="softplus")(0.0, maps) > 0).all()
    assert (UNodeField(2)(0.0, maps) < 0).any()
    with pytest.raises(UnknownName, match="did you mean leaky-relu"):
        UNodeField(2, activation="leaky_relu")


def test_its_trajectory_ends_at_its_answer() -> None:
    network = UNode(width=2, solver="euler", gradient="backprop").eval()
    images = torch.rand(1, 3, 37, 45)
    half, end = network.trajectory(images, [0.5, network.t_end])
    assert torch.equal(end, network(images))
    assert not torch.equal(half, end)
    assert isinstance(network, HasTrajectory)
