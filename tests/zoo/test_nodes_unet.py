from __future__ import annotations

import pytest
import torch

from segbench.errors import UserError
from segbench.ode.block import ODEBlock
from segbench.zoo import HasTrajectory
from segbench.zoo.nodes_unet import NodesUNet
from segbench.zoo.unet import UNet


def fixed(**arguments: object) -> NodesUNet:
    return NodesUNet(**{"width": 2, "solver": "euler", "gradient": "backprop", **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(("places", "blocks"), [(None, 9), ([4], 1), ([0, 8], 2)])
def test_an_ode_follows_at_each_chosen_place(places: list[int] | None, blocks: int) -> None:
    assert sum(isinstance(module, ODEBlock) for module in fixed(places=places).modules()) == blocks


@pytest.mark.parametrize("place", range(9))
def test_each_place_has_the_width_of_its_level(place: int) -> None:
    assert fixed(places=[place])(torch.rand(1, 3, 33, 40)).shape == (1, 11, 33, 40)


@pytest.mark.parametrize("places", [[], [9], [-1]])
def test_a_place_it_has_not_is_refused(places: list[int]) -> None:
    with pytest.raises(UserError, match="choose among 0 to 8"):
        fixed(places=places)


def test_one_place_is_a_list_too() -> None:
    with pytest.raises(UserError, match=r"write a list, as in places=\[4\]"):
        fixed(places=4)  # type: ignore[arg-type]


def test_at_time_0_it_is_the_u_net_and_at_the_end_its_answer() -> None:
    network, plain = fixed().eval(), UNet(width=2).eval()
    state = {name: value for name, value in network.state_dict().items() if ".f." not in name}
    plain.load_state_dict({_without_wrapper(name): value for name, value in state.items()})
    images = torch.rand(1, 3, 37, 45)
    start, end = network.trajectory(images, [0, network.t_end])
    assert torch.equal(start, plain(images))
    assert torch.equal(end, network(images))
    assert isinstance(network, HasTrajectory)


def _without_wrapper(name: str) -> str:
    """`encoder.3.0.1.weight` is the U-Net's `encoder.3.1.weight`, followed by an ODE."""
    stack, level, *rest = name.split(".")
    return ".".join([stack, level, *rest[1:]]) if stack in ("encoder", "decoder") else name
