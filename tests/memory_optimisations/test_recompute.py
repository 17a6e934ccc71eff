from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from segbench.layers.norm_relu_conv import NormReluConv
from segbench.memory_optimisations.recompute import recompute_norms


def _layers(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def _after_a_step(network: nn.Module, images: Tensor) -> tuple[Tensor, tuple[Tensor, ...], dict[str, Tensor]]:
    output = network(images)
    gradients = torch.autograd.grad(output.sin().sum(), list(network.parameters()))
    return output, gradients, network.state_dict()


def _assert_same_step(network: nn.Module, triples: int) -> None:
    network = network.double()
    rewritten = copy.deepcopy(network)
    assert recompute_norms(rewritten) == triples
    images = torch.randn(2, 3, 8, 8, dtype=torch.double)
    plain, saving = _after_a_step(network, images), _after_a_step(rewritten, images)
    torch.testing.assert_close(saving[:2], plain[:2], rtol=1e-12, atol=1e-12)
    assert list(saving[2]) == list(plain[2])
    for name, value in plain[2].items():
        assert torch.equal(saving[2][name], value), name
    with torch.no_grad():
        assert torch.equal(rewritten.eval()(images), network.eval()(images))


def test_triples_in_a_row_are_found_and_change_nothing_but_memory() -> None:
    _assert_same_step(nn.Sequential(*_layers(3, 4), *_layers(4, 6), nn.Conv2d(6, 2, 1)), triples=2)


def test_a_triple_may_lie_across_nested_sequences() -> None:
    _assert_same_step(nn.Sequential(nn.Sequential(*_layers(3, 4)), nn.Sequential(*_layers(4, 6))), triples=1)


def test_sequences_inside_of_other_modules_and_of_other_layers_are_found() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branches = nn.ModuleList(nn.Sequential(*_layers(4, 4), *_layers(4, 4)) for _ in range(2))

        def forward(self, maps: Tensor) -> Tensor:
            return torch.stack([branch(maps) for branch in self.branches]).sum(0)

    _assert_same_step(nn.Sequential(*_layers(3, 4), Branches(), *_layers(4, 4), nn.Conv2d(4, 1, 1)), triples=3)


def test_group_norms_and_small_blocks_become_thin() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Conv2d(4, 4, 1), NormReluConv(4, 4))
    _assert_same_step(network, triples=2)


def test_one_relu_may_serve_several_times() -> None:
    relu = nn.ReLU()
    convs = [nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)]
    norms = [nn.BatchNorm2d(4), nn.BatchNorm2d(4)]
    _assert_same_step(nn.Sequential(convs[0], norms[0], relu, convs[1], norms[1], relu, convs[2]), triples=2)


def test_what_is_not_known_to_be_the_same_stays_as_it_is() -> None:
    class OwnNorm(nn.BatchNorm2d):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(input) + 1

    watched = nn.Sequential(*_layers(3, 4), nn.Conv2d(4, 4, 1))
    watched[1].register_forward_hook(lambda *_: None)
    for network in (
        nn.Sequential(OwnNorm(3), nn.ReLU(), nn.Conv2d(3, 4, 1)),
        nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), nn.ReLU(), nn.Conv2d(3, 4, 1)),
        nn.Sequential(nn.BatchNorm2d(3), nn.ReLU6(), nn.Conv2d(3, 4, 1)),
        nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")),
        nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3, padding="same")),
        nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.ConvTranspose2d(3, 4, 2)),
        watched,
    ):
        assert recompute_norms(network) == 0
        assert type(network) is nn.Sequential


def test_applying_it_twice_is_applying_it_once() -> None:
    network = nn.Sequential(nn.Sequential(*_layers(3, 4)), nn.Sequential(*_layers(4, 6)))
    assert recompute_norms(network) == recompute_norms(network) == 1
    images = torch.randn(2, 3, 4, 4)
    assert network(images).shape == (2, 6, 4, 4)


def test_a_rewritten_network_holds_less() -> None:
    network = nn.Sequential(*[layer for _ in range(4) for layer in _layers(3, 3)], nn.Conv2d(3, 1, 1))
    images = torch.randn(1, 3, 16, 16)

    def held(network: nn.Module) -> int:
        found: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            if tensor.numel() >= images.numel():
                found[tensor.data_ptr()] = tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            network(images)
        return sum(found.values())

    plain = held(network)
    recompute_norms(network)
    # Plain: the images, and two maps a triple. RecomputingSequential: the images, and one map a triple.
    assert plain - held(network) == 4 * images.numel()
