from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from segbench.adaptive.decisions import Decisions, Everything, Replayed
from segbench.adaptive.inference import infer
from segbench.adaptive.policies import Change
from segbench.errors import UserError
from segbench.meters.operations import count_operations
from segbench.zoo.exchange import ExchangeModule
from segbench.zoo.segnode import SegNode
from segbench.zoo.streams import Streams, add_streams

SIDE = 32
FIRST = torch.tensor([[True, True, False], [False, True, False]])
SECOND = torch.tensor([[True, False, False], [False, False, False]])
NONE = torch.zeros(2, 3, dtype=torch.bool)


def segnode(**arguments: Any) -> SegNode:
    torch.manual_seed(0)
    fixed = {"widths": (8, 8, 8, 8), "stem": 4, "modules": 1, "blocks": 2, "steps": 3, "region": SIDE}
    network = SegNode(**{**fixed, **arguments})
    network.train()(images())  # so that batch norms have statistics
    return network.eval()


def images(count: int = 2) -> Tensor:
    return torch.randn(count, 3, 2 * SIDE, 3 * SIDE, generator=torch.Generator().manual_seed(1))


def decided(*decisions: Decisions) -> Replayed:
    return Replayed("by hand", decisions)


class Frozen:
    """Computes everything everywhere, and then puts back what belongs to finished regions."""

    def __init__(self, network: SegNode) -> None:
        self.network, self.memory = network, dict[Any, Tensor]()

    def kept(self, key: Any, maps: Tensor, active: Tensor) -> Tensor:
        mask = functional.interpolate(active[None, None].float(), size=maps.shape[2:])[0, 0].bool()
        self.memory[key] = torch.where(mask, maps, self.memory.get(key, maps))
        return self.memory[key]

    def change(self, exchange: ExchangeModule, streams: Streams, active: Tensor) -> Streams:
        after = []
        for number, maps in enumerate(streams):
            now = active if number < 2 else torch.ones_like(active)
            for place, block in enumerate(exchange.branches[number]):  # type: ignore[arg-type]
                key = exchange, number, place
                normed = block.norm(self.kept((*key, "input"), maps, now))
                maps = block.conv(self.kept((*key, "activation"), normed.relu(), now))
            after.append(self.kept((exchange, number), maps, now))
        return tuple(exchange.exchanged(tuple(after)))

    def solve(self, image: Tensor, decisions: Decisions) -> Tensor:
        streams, scores = self.network.encode(image), []
        for active in (torch.ones_like(FIRST), *decisions):
            first, *others = self.network.ode.f.exchanges  # type: ignore[union-attr]
            slope = self.change(first, streams, active)  # type: ignore[arg-type]
            for exchange in others:  # type: ignore[union-attr]
                slope = add_streams(slope, self.change(exchange, add_streams(streams, slope), active))
            moved = add_streams(streams, tuple(part / 3 for part in slope))
            streams = (*(self.kept(i, moved[i], active) for i in range(2)), *moved[2:])
            scores.append(self.kept("scores", self.network.decode(streams, (16, 24)), active))  # type: ignore[arg-type]
        return scores[-1]


@pytest.mark.parametrize("arguments", [{"norm": "group"}, {"norm": "batch"}, {"modules": 2}])
def test_skipping_gives_what_computing_everything_and_putting_back_gives(arguments: dict[str, Any]) -> None:
    network, batch = segnode(**arguments), images()
    decisions = [(FIRST, SECOND), (SECOND, SECOND)]
    with torch.no_grad():
        expected = [Frozen(network).solve(batch[i : i + 1], own) for i, own in enumerate(decisions)]
    found = infer(network, batch, decided(*decisions)).scores
    assert torch.allclose(found, torch.cat(expected), atol=1e-4)
    dense = infer(network, batch, Everything()).scores
    assert not torch.allclose(found, dense, atol=1e-3), "it makes a difference"


@pytest.mark.parametrize("norm", ["group", "batch", "batch-per-stage"])
def test_as_long_as_all_regions_go_on_it_is_the_solve(norm: str) -> None:
    network = segnode(norm=norm)
    with torch.no_grad():
        expected = network.decode(network.ode(network.encode(images())), (16, 24))
    assert torch.equal(infer(network, images(), Everything()).scores, expected)  # type: ignore[arg-type]


def test_images_with_no_region_left_leave_and_do_not_change_the_others() -> None:
    network = segnode()
    found = infer(network, images(), decided((FIRST, NONE), (FIRST, SECOND)))
    alone = infer(network, images()[1:], decided((FIRST, SECOND)))
    assert found.stages == (2, 3)
    assert torch.allclose(found.scores[1:], alone.scores, atol=1e-5)


def test_a_region_that_finishes_after_all_were_computed_again_has_the_activations_of_then() -> None:
    """The only image with finished regions leaves, everything is computed, and only then a region finishes."""
    network, full = segnode(steps=5), torch.ones_like(FIRST)
    late = (full, full, FIRST, FIRST)
    together = infer(network, images(), decided((FIRST, NONE), late))
    assert together.stages == (2, 5)
    assert torch.allclose(together.scores[1:], infer(network, images()[1:], decided(late)).scores, atol=1e-5)


@pytest.mark.parametrize("solver", ["euler", "rk4", "alf", "reversible-heun"])
def test_a_finished_region_stands_still_whatever_the_solver_carries(solver: str) -> None:
    with torch.no_grad():
        run = segnode(solver=solver).begin(images(1))
        run.advance()
        before = run.state()
        run.keep(FIRST[None])
        run.advance()
    for number, (old, new) in enumerate(zip(before, run.state(), strict=True)):
        finished = functional.interpolate(~FIRST[None, None] + 0.0, size=old.shape[2:]).bool().expand_as(old)
        assert torch.equal(old[finished], new[finished]) is (number < 2), "the small streams go on"
        assert not torch.equal(old[~finished], new[~finished])


def test_a_finished_region_keeps_its_scores() -> None:
    network = segnode()
    early = infer(network, images(), Everything(1)).scores
    late = infer(network, images(), decided((FIRST, FIRST), (FIRST, FIRST))).scores
    same = (early == late).all(1)[0].unflatten(1, (3, 8)).unflatten(0, (2, 8)).all(3).all(1)
    assert torch.equal(same, ~FIRST)


def test_operations_fall_by_what_the_large_streams_skip() -> None:
    """A region has 8x8 and 4x4 pixels there; two blocks of 8 x 8 x 9 multiply-adds a pixel."""
    network, image = segnode(), images(1)

    def counted(*decisions: Tensor) -> int:
        return count_operations(network, lambda: infer(network, image, decided(decisions))).total_macs

    region, scores = 2 * (64 + 16) * 8 * 8 * 9, 8 * 11 * (16 * 24 + 8 * 12 + 4 * 6 + 2 * 3)
    full = torch.ones_like(FIRST)
    assert counted(full, full) - counted(FIRST, SECOND) == region * (3 + 5) - 2 * scores, (
        "which are read when regions finish"
    )


def test_policies_by_scores_decide_for_regions() -> None:
    assert infer(segnode(), images(), Change(1.0)).stages == (1, 1)
    assert infer(segnode(), images(), Change(0.0)).stages == (3, 3)


@pytest.mark.parametrize("arguments", [{"region": 48}, {"region": 16}, {"small": 4}])
def test_regions_that_no_stream_can_share_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"region is|small is"):
        segnode(**arguments)


def test_images_that_are_not_made_of_regions_are_refused() -> None:
    with pytest.raises(UserError, match="multiples of 32"):
        infer(segnode(), images()[:, :, :45], Everything())
