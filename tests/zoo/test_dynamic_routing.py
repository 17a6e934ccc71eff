from __future__ import annotations

import pytest
import torch
from torch import Tensor

from segbench.adaptive.decisions import Everything, Recorder, Replayed
from segbench.adaptive.inference import infer
from segbench.adaptive.policies import parse_policy
from segbench.errors import UserError
from segbench.layers.pixel_loss import PixelLoss
from segbench.meters.operations import count_operations
from segbench.zoo import Moment
from segbench.zoo.dynamic_routing import DOWN, KEEP, UP, Arriving, DynamicRouting, RoutingLayer

WIDTH, CLASSES = 4, 5
SIZE = (45, 67)
SIDES = [(12, 17), (6, 9), (3, 5), (2, 3)]
"""Of the four scales: a stride of 2 rounds up."""


def network(layers: int = 3, **arguments: float) -> DynamicRouting:
    torch.manual_seed(0)
    return DynamicRouting(CLASSES, layers, WIDTH, **arguments).eval()  # type: ignore[arg-type]


def images(count: int = 2) -> Tensor:
    return torch.randn(count, 3, *SIZE, generator=torch.Generator().manual_seed(1))


def paths(*chosen: tuple[int, int], cells: int) -> Tensor:
    """Bool `(cells, 3)`, true for (cell, path)."""
    found = torch.zeros(cells, 3, dtype=torch.bool)
    for cell, path in chosen:
        found[cell, path] = True
    return found


def pixels(scale: int) -> int:
    return SIDES[scale][0] * SIDES[scale][1]


def node(scale: int) -> int:
    """Multiply-adds of two 3x3 convolutions channel by channel and two 1x1 convolutions."""
    width = WIDTH << scale
    return 2 * pixels(scale) * (9 * width + width * width)


def gate(scale: int, ways: int) -> int:
    width, (height, breadth) = WIDTH << scale, SIDES[scale]
    return max(1, height // 4) * max(1, breadth // 4) * width * width // 2 + width // 2 * ways


STEM = 23 * 34 * (27 * WIDTH + 9 * WIDTH + WIDTH**2) + pixels(0) * (9 * WIDTH + WIDTH**2)


def decoder(scales: int) -> int:
    steps = sum(pixels(scale) * (WIDTH << scale) * (WIDTH << max(0, scale - 1)) for scale in range(scales))
    return steps + pixels(0) * WIDTH * CLASSES * 9


def test_everything_is_the_dense_network_bit_for_bit() -> None:
    net = network()
    with torch.no_grad():
        assert torch.equal(infer(net, images(), Everything()).scores, net.dense(images())[0])


def test_open_gates_by_default_are_the_dense_network() -> None:
    net = network()
    with torch.no_grad():
        scores, gates = net.dense(images())
    assert all((own >= 0).all() and (own < 1).all() for own in gates)
    assert torch.allclose(infer(net, images(), parse_policy(net.default_policy)).scores, scores, atol=1e-5)


def test_multiply_adds_of_a_chosen_way_are_a_hand_count() -> None:
    """One image: down, down again, up, and in the last layer of three cells the middle one only."""
    chosen = (
        paths((0, DOWN), cells=1),
        paths((1, KEEP), (1, UP), cells=2),
        paths((1, KEEP), cells=3),
    )
    net, way = network(layers=2), Replayed("way", [chosen])
    down = pixels(1) * WIDTH * 2 * WIDTH
    up = pixels(1) * 2 * WIDTH * WIDTH
    gates = gate(0, 2) + gate(1, 3) + gate(0, 1) + gate(1, 1)  # none where nothing has come: the third scale, ...
    nodes = node(0) + node(1) + node(1)
    counted = count_operations(net, lambda: infer(net, images(1), way))
    assert counted.total_macs == STEM + gates + nodes + down + up + decoder(3)


def test_a_cell_runs_for_the_images_that_need_it_only() -> None:
    """Two images of which one takes every path: twice what all need, once what it alone needs."""
    net = network()
    all_paths, alone = Recorder(1), Recorder(1)
    infer(net, images(1), Everything(), all_paths)
    infer(net, images(1), parse_policy("signal<2"), alone)
    both = Replayed("both", [all_paths.decisions[0], alone.decisions[0]])

    def macs(policy: Everything | Replayed, count: int) -> int:
        return count_operations(net, lambda: infer(net, images(count), policy)).total_macs

    one, none = macs(Everything(), 1), macs(Replayed("none", alone.decisions), 1)
    assert macs(both, 2) == one + none
    assert none < one / 2


def test_images_go_their_own_ways_in_a_batch() -> None:
    net, recorder = network(), Recorder(2)
    infer(net, images(), Everything(), recorder)
    random = torch.Generator().manual_seed(2)
    ways = [tuple(torch.rand(own.shape, generator=random) < 0.5 for own in way) for way in recorder.decisions]
    together = infer(net, images(), Replayed("ways", ways)).scores
    alone = [infer(net, image[None], Replayed("way", [way])).scores for image, way in zip(images(), ways, strict=True)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)
    assert not torch.allclose(together, infer(net, images(), Replayed("swapped", ways[::-1])).scores, atol=1e-3)


def test_a_closed_cell_passes_its_input_on() -> None:
    layer = RoutingLayer(WIDTH, 1, 2, small_gate=True).eval()
    maps = torch.randn(2, WIDTH, 4, 6)
    arrived = Arriving((maps,), torch.tensor([[True], [False]]))
    finest, coarser = layer(arrived, torch.zeros(2, 1, 3)).maps
    assert torch.equal(finest, maps)
    assert not coarser.any()
    assert layer(arrived, torch.zeros(2, 1, 3)).there.tolist() == [[True, False], [False, False]]


def test_nothing_is_asked_of_a_cell_that_nothing_reaches() -> None:
    layer = RoutingLayer(WIDTH, 1, 2, small_gate=True).eval()
    arrived = Arriving((torch.zeros(1, WIDTH, 4, 6),), torch.tensor([[False]]))
    for sparse in (True, False):
        assert not layer.gates(arrived, sparse).any()
    assert count_operations(layer, lambda: layer.gates(arrived, sparse=True)).total_macs == 0


def test_the_budget_counts_cells_by_their_largest_gate_and_paths_by_their_own() -> None:
    net = network(layers=1)
    ends = torch.zeros(1, 2, 3)
    all_open = [torch.tensor([[[0.0, 1, 1]]]), torch.tensor([[[0.0, 1, 0], [0, 1, 0]]])]
    assert net.expected_share(all_open, SIZE) == pytest.approx(1.0)
    all_macs = node(0) + pixels(1) * 2 * WIDTH**2 + node(0) + node(1)
    half_way = net.expected_share([torch.tensor([[[0.0, 0.25, 0.5]]]), ends], SIZE)
    assert half_way == pytest.approx(0.5 * (node(0) + pixels(1) * 2 * WIDTH**2) / all_macs)


def test_the_budget_starts_after_two_fifths_of_the_training() -> None:
    net = network(budget=0.0)
    targets, loss = torch.zeros(2, 24, 32, dtype=torch.long), PixelLoss()
    share = net.expected_share(net.dense(images())[1], SIZE)
    before, half, after = (
        float(net.supervise(images(), targets, loss, Moment(0.0, progress)).detach()) for progress in (0.3, 0.41, 0.9)
    )
    weighed = 0.5 * float(share.detach()) ** 2 * 2 * 24 * 32
    assert (half - before, after - before) == pytest.approx((weighed / 2, weighed), rel=1e-3)
    share.backward()
    biases = [layer.cells[0].gate[-1].bias.grad for layer in net.layers]  # type: ignore[union-attr, index]
    assert all((bias > 0).any() for bias in biases)


def test_scores_are_not_there_before_the_end() -> None:
    with pytest.raises(UserError, match=r"not for DynamicRouting: .* the last layer; take signal<0"):
        infer(network(), images(), parse_policy("confidence>0.9"))
