"""A copied step is the step that a trace would have gone on with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW

from segbench.estimate import step
from segbench.estimate.log import StorageLog
from segbench.estimate.step import Traced
from segbench.estimate.trace import StorageTrace
from segbench.workload.muon import Muon
from tests.estimate.test_step import CLASSES, NETWORKS, momentum, traced


def both(monkeypatch: pytest.MonkeyPatch, build: Callable[[], nn.Module], **options: Any) -> tuple[Traced, Traced]:
    """What was traced with copied steps, and what with every step traced."""
    copied = traced(build, **options)
    with monkeypatch.context() as patch:
        patch.setattr(step, "with_second_step", lambda _: None)
        patch.setattr(step, "with_step_repeated", lambda _: None)
        whole = traced(build, **options)
    assert copied.operators < whole.operators, "nothing was copied"
    return copied, whole


def require_equal(copied: StorageLog, whole: StorageLog) -> None:
    assert copied.same_memory(whole)
    assert [storage.role for storage in copied.storages] == [storage.role for storage in whole.storages]


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_copied_step_asks_for_the_same_memory(monkeypatch: pytest.MonkeyPatch, name: str, mode: str) -> None:
    copied, whole = both(monkeypatch, NETWORKS[name], mode=mode)
    require_equal(copied.log, whole.log)


@pytest.mark.parametrize("optimizer", [lambda _: None, SGD, momentum, AdamW, partial(Muon, lr=0.1)])
@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_only_the_first_step_makes_the_optimizers_state(
    monkeypatch: pytest.MonkeyPatch, optimizer: Any, target: str
) -> None:
    copied, whole = both(monkeypatch, NETWORKS["plain"], optimizer_type=optimizer, target=target)
    require_equal(copied.log, whole.log)


class Hoarder(nn.Module):
    """Keeps a map of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.kept = nn.Conv2d(3, CLASSES, 1), list[Tensor]()

    def forward(self, images: Tensor) -> Tensor:
        self.kept.append(torch.ones_like(images))
        return self.head(images)  # type: ignore[no-any-return]


class Initialised(nn.Module):
    """Sets its scale by the first images, and says so in a flag or in a buffer."""

    done: Any

    def __init__(self, buffer: bool) -> None:
        super().__init__()
        self.head, self.scale = nn.Conv2d(3, CLASSES, 1), nn.Parameter(torch.ones(CLASSES, 1, 1))
        if buffer:
            self.register_buffer("done", torch.zeros(1, dtype=torch.bool))
        else:
            self.done = False

    def forward(self, images: Tensor) -> Tensor:
        scores = self.head(images)
        if not self.done:
            self.scale.data.copy_((scores.sort(0)[0] * torch.ones_like(scores)).std((0, 2, 3))[:, None, None])
            self.done = torch.ones_like(self.done) if isinstance(self.done, Tensor) else True
        return scores * self.scale  # type: ignore[no-any-return]


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("buffer", [False, True])
def test_a_network_that_begins_otherwise_is_traced_until_it_goes_on_as_before(
    monkeypatch: pytest.MonkeyPatch, mode: str, buffer: bool
) -> None:
    copied, whole = both(monkeypatch, lambda: Initialised(buffer), mode=mode)
    require_equal(copied.log, whole.log)


class Momenta(SGD):
    """Another optimizer, whose later steps might be unlike its first."""


@pytest.mark.parametrize(
    ("build", "options", "steps"),
    [
        (NETWORKS["plain"], {}, 1),
        (NETWORKS["plain"], {"mode": "infer"}, 1),
        (NETWORKS["plain"], {"optimizer_type": lambda parameters: Momenta(parameters, momentum=0.9)}, 2),
        (Hoarder, {}, 3),
        (Hoarder, {"mode": "infer"}, 3),
    ],
    ids=["training", "inference", "another optimizer", "training that keeps more", "inference that keeps more"],
)
def test_steps_are_traced_until_they_can_be_copied(
    monkeypatch: pytest.MonkeyPatch, build: Callable[[], nn.Module], options: dict[str, Any], steps: int
) -> None:
    entered: list[str] = []
    enter = StorageTrace.enter

    def noted(trace: StorageTrace, phase: str, step: int | None = None) -> None:
        entered.append(phase)
        enter(trace, phase, step)

    monkeypatch.setattr(StorageTrace, "enter", noted)
    log = traced(build, **options).log
    assert entered.count("forward" if options.get("mode") == "infer" else "backward") == steps
    assert max(mark.step for mark in log.marks) == step.STEPS
