from __future__ import annotations

import torch

from segbench.zoo.unode import UNode
from segbench.zoo.uresnet import UResNet


def test_it_has_the_parameters_of_a_u_node_without_time() -> None:
    with torch.device("meta"):
        counts = [sum(p.numel() for p in net.parameters()) for net in (UResNet(2), UNode(2, 16, time=False))]
    assert counts == [2_074_098, 2_074_098]


def test_its_block_is_one_euler_step_of_length_one() -> None:
    network = UResNet(3, width=2, levels=2).eval()
    ode = UNode(3, width=2, levels=2, time=False, solver="euler", gradient="backprop", steps=1).eval()
    ode.load_state_dict({name.replace(".f.", ".ode.f.f."): value for name, value in network.state_dict().items()})
    images = torch.rand(1, 3, 21, 30)
    assert not torch.allclose(network(images), ode(images), atol=1e-4)
    network.down_from_input = False
    assert torch.allclose(network(images), ode(images), atol=1e-5)
