from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from segbench.errors import UserError
from segbench.layers.norm_relu_conv import NormReluConv
from segbench.memory_optimisations import checkpoint
from segbench.memory_optimisations.checkpoint import checkpoint_modules, checkpoint_named, checkpoint_segments
from segbench.ode.block import ODEBlock
from segbench.ode.state import State
from segbench.zoo.map_ode import MapODE


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2))

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.body(maps)


class _Streams(nn.Module):
    """Takes and gives a tuple, and changes the list it works on."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block() for _ in range(2))

    def forward(self, streams: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        changed = list(streams)
        for place, block in enumerate(self.blocks):
            changed[place] = block(changed[place])
        return tuple(changed)


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.streams = nn.Sequential(_Streams(), _Streams())
        self.alone = _Streams()
        self.exit = nn.Conv2d(4, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        first, second = self.alone(self.streams((maps, maps)))
        output: Tensor = self.exit(first + second)
        return output


def _after_a_step(network: nn.Module) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    torch.manual_seed(1)
    images = torch.randn(2, 3, 8, 8, dtype=torch.double)
    gradients = torch.autograd.grad(network(images).sin().sum(), list(network.parameters()))
    return gradients, network.state_dict()


def test_modules_are_the_outermost_repeated_classes_and_sequences_without_them() -> None:
    assert checkpoint_modules(_Network()) == ["stem", "streams.0", "streams.1", "alone"]


def test_gradients_statistics_and_dropout_are_those_of_the_plain_network() -> None:
    network = _Network().double()
    saving = copy.deepcopy(network)
    checkpoint_modules(saving)
    (expected, states), (found, saved) = _after_a_step(network), _after_a_step(saving)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert list(saved) == list(states)
    for name, value in states.items():
        assert torch.equal(saved[name], value), name


def test_a_checkpointed_network_holds_only_what_enters_its_modules() -> None:
    network = _Network()
    checkpoint_modules(network)
    images = torch.randn(1, 3, 10, 10)
    held: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        held[tensor.data_ptr()] = tensor.numel()
        return tensor

    parameters = {parameter.data_ptr() for parameter in network.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        network(images)
    # What enters the stem, and what enters the exit; the streams are outputs of modules, alive anyway.
    assert sum(size for pointer, size in held.items() if pointer not in parameters) == images.numel() + 4 * 8 * 8


def test_inference_is_plain() -> None:
    network = _Network().eval()
    saving = copy.deepcopy(network)
    checkpoint_modules(saving)
    images = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(saving(images), network(images))


def test_copies_work_on_their_own_parameters() -> None:
    network = _Network()
    checkpoint_modules(network)
    twin = copy.deepcopy(network)
    for parameter in twin.parameters():
        parameter.data.zero_()
    images = torch.randn(1, 3, 8, 8)
    assert twin(images).abs().sum() == 0
    assert network(images).abs().sum() > 0


class _Field(nn.Module):
    def __init__(self, norm: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        stages = 8 if norm == "batch-per-stage" else 0
        self.parts = nn.ModuleList(_Part(norm, stages) for _ in range(2))

    def forward(self, time: float | Tensor, state: State) -> State:
        maps = state[0]
        for part in self.parts:
            maps = part(maps, time)
        return (maps,)


class _Part(nn.Module):
    def __init__(self, norm: str, stages: int) -> None:
        super().__init__()
        self.block = NormReluConv(4, 4, norm=norm, time_conditioned=True, stages=stages)

    def forward(self, maps: Tensor, time: float | Tensor) -> Tensor:
        output: Tensor = self.block(maps, time)
        return output


def test_inside_of_an_ode_modules_of_f_are_checkpointed_and_know_their_stage() -> None:
    for norm in ("group", "batch", "batch-per-stage"):
        for gradient in ("backprop", "checkpoint-step", "checkpoint-stage"):
            steps = []
            for saving in (False, True):
                block = nn.ModuleDict({"ode": ODEBlock(_Field(norm), solver="midpoint", gradient=gradient)}).double()
                if saving:
                    assert checkpoint_modules(block) == ["ode.f.parts.0", "ode.f.parts.1"]
                start = torch.randn(2, 4, 5, 5, dtype=torch.double, generator=torch.Generator().manual_seed(1))
                (output,) = block["ode"]((start,))
                gradients = torch.autograd.grad(output.sin().sum(), list(block.parameters()))
                steps.append([output, *gradients, *block.buffers()])
            torch.testing.assert_close(*steps, rtol=1e-10, atol=1e-10)


def test_an_ode_block_is_never_checkpointed_itself() -> None:
    network = nn.Sequential(nn.ModuleList(ODEBlock(_Field("group")) for _ in range(2)))
    assert all(".f." in name for name in checkpoint_modules(network))


class _Slope(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, time: float | Tensor, maps: Tensor) -> Tensor:
        return torch.tanh(self.layer(maps))


def test_a_module_around_a_solve_that_recomputes_is_not_repeated_whole() -> None:
    def chosen(gradient: str) -> list[str]:
        solves = [MapODE(_Slope(), solver="euler", gradient=gradient, steps=2) for _ in range(2)]
        return checkpoint_modules(nn.Sequential(nn.ModuleList(solves), nn.Conv2d(4, 2, 1)))

    assert chosen("backprop") == ["0.0", "0.1"]
    assert not {"0.0", "0.1"} & set(chosen("checkpoint-stage"))


def test_a_repeated_adaptive_solve_counts_its_steps_once() -> None:
    solves = [MapODE(_Slope(), solver="dopri5", gradient="backprop", rtol=1e-3, atol=1e-3) for _ in range(2)]
    network = nn.ModuleList(solves)
    assert checkpoint_modules(nn.Sequential(network)) == ["0.0", "0.1"]
    maps = torch.randn(1, 4, 6, 6, requires_grad=True)
    output = solves[1](solves[0](maps))
    blocks = [module for module in network.modules() if isinstance(module, ODEBlock)]
    accepted = [block.steps_accepted for block in blocks]
    output.sum().backward()
    assert accepted == [block.steps_accepted for block in blocks] and all(accepted)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["stem", "exit"], ["stem", "exit"]),
        (["streams.*"], ["streams.0", "streams.1"]),  # not what lies inside of them
        (["*.blocks.?"], ["streams.0.blocks.0", "streams.0.blocks.1", "streams.1.blocks.0", "streams.1.blocks.1"]),
    ],
)
def test_modules_may_be_named(patterns: list[str], names: list[str]) -> None:
    network = _Network()
    found = checkpoint_named(network, patterns)
    assert [name for name in found if not name.startswith("alone")] == names
    network(torch.randn(1, 3, 8, 8)).sum().backward()


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("stm", "no module of _Network 'stm'; did you mean stem"),
        ("nothing*", "no module of _Network 'nothing\\*'; known: alone, exit, stem, streams"),
        ("alone.blocks", "names lists of modules"),
    ],
)
def test_a_pattern_that_names_nothing_is_one_sentence(pattern: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        checkpoint_named(_Network(), [pattern])


@pytest.mark.parametrize(("count", "bounds"), [(1, [0, 1]), (4, [0, 2, 4]), (9, [0, 3, 6, 9]), (16, [0, 4, 8, 12, 16])])
def test_a_chain_of_n_layers_has_sqrt_n_segments(count: int, bounds: list[int]) -> None:
    assert checkpoint._bounds([nn.Identity()] * count) == bounds


def test_no_segment_begins_with_a_layer_that_overwrites_what_was_kept() -> None:
    chain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 1))
    assert checkpoint._bounds(list(chain)) == [0, 3, 4]
    network = nn.ModuleList([chain])
    assert checkpoint_segments(network) == 2
    chain(torch.randn(2, 3, 4, 4)).sum().backward()
