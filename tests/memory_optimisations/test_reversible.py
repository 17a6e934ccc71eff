from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.errors import UserError
from segbench.memory_optimisations.switch import without_savings
from segbench.memory_optimisations.switches import apply_optimisations
from segbench.zoo.residual import BasicBlock, Bottleneck


def test_two_blocks_are_revnet_s_equations() -> None:
    network = nn.Sequential(BasicBlock(4, 4), BasicBlock(4, 4)).double()
    one, other = (block.body for block in network)
    maps = torch.randn(2, 4, 6, 5, dtype=torch.double)
    first = maps + one(maps)
    second = maps + other(first)
    expected = functional.relu((first + second) / 2)
    assert apply_optimisations(network, ["reversible"]) == {"reversible": 1}
    torch.testing.assert_close(network(maps), expected)


def saved_bytes(blocks: int) -> int:
    network = nn.Sequential(*(BasicBlock(8, 8) for _ in range(blocks)))
    apply_optimisations(network, ["reversible"])
    held: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        held[tensor.untyped_storage()._cdata] = tensor.nbytes if tensor.ndim == 4 and tensor.shape[-1] > 3 else 0
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        network(torch.randn(2, 8, 16, 16))
    return sum(held.values())


def test_what_is_kept_does_not_grow_with_the_number_of_blocks() -> None:
    maps = 2 * 8 * 16 * 16 * 4
    assert saved_bytes(2) == saved_bytes(6) == 3 * maps  # the two last states, and the ReLU's output at the end


def test_sixteen_blocks_are_undone_to_rounding() -> None:
    """In float32, what is computed back carries sixteen roundings."""
    torch.manual_seed(0)
    network = nn.Sequential(*(BasicBlock(4, 4) for _ in range(16)))
    exact = nn.Sequential(*(BasicBlock(4, 4) for _ in range(16)))
    exact.load_state_dict(network.state_dict())
    exact.double()
    maps = torch.randn(2, 4, 8, 8)
    found, expected = (
        torch.cat([g.flatten().double() for g in torch.autograd.grad(net(x).sin().sum(), list(net.parameters()))])
        for net, x in ((network, maps), (exact, maps.double()))
        if apply_optimisations(net, ["reversible"])
    )
    assert float((found - expected).norm() / expected.norm()) < 1e-4


def test_dropout_inside_of_a_block_drops_the_same_when_it_runs_again() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(*(BasicBlock(4, 4) for _ in range(3))).double()
    for block in network:
        block.body.append(nn.Dropout(0.4))
    apply_optimisations(network, ["reversible"])

    def step() -> tuple[Tensor, ...]:
        torch.manual_seed(1)
        maps = torch.randn(2, 4, 6, 6, dtype=torch.double)
        gradients = torch.autograd.grad(network(maps).sin().sum(), list(network.parameters()))
        return *gradients, torch.rand(1)  # as if nobody had drawn for the second run

    found = step()
    with without_savings(network):
        torch.testing.assert_close(found, step(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(BasicBlock(4, 8), BasicBlock(8, 4)),  # of other widths
        nn.Sequential(BasicBlock(4, 4), nn.ReLU(), BasicBlock(4, 4)),  # not in a row
        nn.ModuleList([Bottleneck(16, 4), Bottleneck(16, 4)]),  # called by code of its own
    ],
)
def test_what_cannot_be_undone_stays_as_it_is(network: nn.Module) -> None:
    with pytest.raises(UserError, match="residual blocks of one width"):
        apply_optimisations(network, ["reversible"])
