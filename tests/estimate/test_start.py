"""A trace that starts with the network of another one is the trace that would have built its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW

from segbench.estimate import step
from segbench.estimate.affine import Noting
from segbench.estimate.kept_values import hides_nothing
from segbench.estimate.overheads import Overheads
from segbench.estimate.step import Start, Traced, trace_step
from segbench.workload.muon import Muon
from tests.estimate.test_repeated import Hoarder, Initialised, Momenta
from tests.estimate.test_step import CLASSES, NETWORKS, Work, momentum

pytestmark = pytest.mark.usefixtures("known")


def traced(build: Callable[[], nn.Module], mode: str, batch: int, start: Start | None = None, **options: Any) -> Traced:
    def work() -> Work:
        assert start is None, "nothing is to be built"
        return Work(build(), "meta", **options)

    return trace_step(work, mode, batch, overheads=Overheads(convolutions="expected"), start=start)


def require_equal(found: Traced, other: Traced) -> None:
    assert replace(found, start=None) == replace(other, start=None)


@pytest.mark.parametrize("first", ["train", "infer"])
@pytest.mark.parametrize("name", NETWORKS)
def test_traces_from_one_start_are_those_of_networks_of_their_own(name: str, first: str) -> None:
    start = traced(NETWORKS[name], first, 2).start
    assert start is not None
    for mode, batch in (("infer", 3), ("train", 1), ("train", 2), ("infer", 1)):
        again = traced(NETWORKS[name], mode, batch, start)
        require_equal(again, traced(NETWORKS[name], mode, batch))
        assert again.start is not None


@pytest.mark.parametrize("optimizer", [lambda _: None, SGD, momentum, AdamW, partial(Muon, lr=0.1)])
def test_the_optimizer_starts_without_a_state(optimizer: Any) -> None:
    start = traced(NETWORKS["plain"], "train", 2, optimizer_type=optimizer).start
    again = traced(NETWORKS["plain"], "train", 3, start, optimizer_type=optimizer)
    require_equal(again, traced(NETWORKS["plain"], "train", 3, optimizer_type=optimizer))


class Gridded(nn.Module):
    """Keeps a map of the size it saw last."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.grid = nn.Conv2d(3, CLASSES, 1), torch.ones(1, 1)

    def forward(self, images: Tensor) -> Tensor:
        if self.grid.shape != images.shape[-2:]:
            self.grid = torch.ones_like(images[0, 0])
        return self.head(images * self.grid)  # type: ignore[no-any-return]


class Sized(nn.Module):
    """Notes the size it saw last."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.size = nn.Conv2d(3, CLASSES, 1), [0, 0]

    def forward(self, images: Tensor) -> Tensor:
        self.size[:] = images.shape[-2:]
        return self.head(images)  # type: ignore[no-any-return]


class Pruning(nn.Module):
    """Takes a part of itself out at its first step."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.more = nn.Conv2d(3, CLASSES, 1), nn.ModuleList([nn.Conv2d(3, CLASSES, 1)])

    def forward(self, images: Tensor) -> Tensor:
        more = [self.more.pop(0)(images) for _ in range(len(self.more))]
        return sum(more, self.head(images))


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize(
    "build", [Hoarder, Gridded, Sized, Pruning, partial(Initialised, buffer=False), partial(Initialised, buffer=True)]
)
def test_a_network_that_a_step_changes_is_no_start(build: Callable[[], nn.Module], mode: str) -> None:
    assert traced(build, mode, 2).start is None


def test_an_optimizer_that_is_not_known_is_no_start() -> None:
    assert traced(NETWORKS["plain"], "train", 2, optimizer_type=lambda p: Momenta(p, momentum=0.9)).start is None


@pytest.mark.parametrize("strategy", ["ddp", "ddp-views", "fsdp"])
def test_ranks_are_no_start(strategy: Any) -> None:
    found = trace_step(lambda: Work(NETWORKS["plain"](), "meta"), "train", 2, strategy=strategy, ranks=2)
    assert found.start is None


class Probing(nn.Module):
    """Is tried when it is built."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 256, 3, padding=1)
        self.head = nn.Conv2d(self.body(torch.zeros(1, 3, 64, 64)).shape[1], CLASSES, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))  # type: ignore[no-any-return]


def test_a_network_that_was_tried_for_its_workspaces_is_no_start() -> None:
    found = trace_step(lambda: Work(Probing(), "meta"), "infer", 2, overheads=Noting(convolutions="upper"))
    assert found.start is None


def hooked() -> nn.Module:
    network = NETWORKS["plain"]()
    network.register_forward_pre_hook(lambda _module, args: args)
    return network


def with_another_forward() -> nn.Module:
    network = NETWORKS["plain"]()
    network.forward = partial(type(network).forward, network)  # type: ignore[method-assign]
    return network


def test_code_that_is_not_known_is_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "hides_nothing", hides_nothing)
    assert traced(NETWORKS["plain"], "infer", 2).start is not None, "it is made of torch's layers"
    for build in (NETWORKS["branching"], hooked, with_another_forward):
        assert traced(build, "infer", 2).start is None


class Dropping(nn.Module):
    """Leaves layers out by chance."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(8))

    def forward(self, images: Tensor) -> Tensor:
        for layer in self.layers:
            if torch.rand(1) < 0.5:
                images = layer(images).relu()
        return images


def test_chance_is_that_of_the_start() -> None:
    def seeded() -> nn.Module:
        torch.manual_seed(5)
        return Dropping()

    start = traced(seeded, "train", 2).start
    require_equal(traced(seeded, "train", 3, start), traced(seeded, "train", 3))


def test_known_values_are_those_of_the_start() -> None:
    """A buffer that counts is read by the program."""

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head, self.norm = nn.Conv2d(3, CLASSES, 1), nn.BatchNorm2d(3)

        def forward(self, images: Tensor) -> Tensor:
            seen = self.norm.num_batches_tracked
            assert seen is not None
            self.told = object(), int(seen)
            return self.head(self.norm(images))  # type: ignore[no-any-return]

    start = traced(Counting, "train", 2).start
    assert start is not None
    network: Any = start.workload.network
    for _ in range(2):
        traced(Counting, "train", 2, start)
        assert network.told[1] == 0, "one step is carried out, from the start"
