"""A copied step is the step that a trace would have gone on with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import AdamW

from segbench.estimate import step
from segbench.estimate.log import StorageLog
from segbench.estimate.repeated import with_step_repeated
from segbench.estimate.step import Traced
from tests.estimate.test_attention import Attends
from tests.estimate.test_step import CLASSES, NETWORKS, momentum, traced


def both(
    monkeypatch: pytest.MonkeyPatch, build: Callable[[], nn.Module], **options: Any
) -> tuple[StorageLog, StorageLog]:
    """The log with a copied step, and the one with every step traced, whose counts are the same."""
    copies: list[StorageLog | None] = []

    def copying(log: StorageLog) -> StorageLog | None:
        copies.append(with_step_repeated(log))
        return copies[-1]

    monkeypatch.setattr(step, "with_step_repeated", copying)
    copied = traced(build, **options)
    monkeypatch.setattr(step, "with_step_repeated", lambda _: None)
    whole = traced(build, **options)
    assert copies[-1] == copied.log
    assert len(copies) == (2 if options.get("mode") == "infer" else 1)
    assert counts(copied) == counts(whole)
    return copied.log, whole.log


def counts(found: Traced) -> tuple[int, dict[str, int], dict[str, int]]:
    return found.operators, found.assumptions, found.attention


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_copied_step_asks_for_the_same_memory(monkeypatch: pytest.MonkeyPatch, name: str, mode: str) -> None:
    copied, whole = both(monkeypatch, NETWORKS[name], mode=mode)
    assert copied.same_memory(whole)
    assert [storage.role for storage in copied.storages] == [storage.role for storage in whole.storages]


@pytest.mark.parametrize("optimizer", [momentum, AdamW])
def test_optimizers_keep_their_state_in_a_copied_step(monkeypatch: pytest.MonkeyPatch, optimizer: Any) -> None:
    copied, whole = both(monkeypatch, NETWORKS["plain"], optimizer_type=optimizer)
    assert copied.same_memory(whole)


class Hoarder(nn.Module):
    """Keeps a map of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.kept = nn.Conv2d(3, CLASSES, 1), list[Tensor]()

    def forward(self, images: Tensor) -> Tensor:
        self.kept.append(torch.ones_like(images))
        return self.head(images)  # type: ignore[no-any-return]


class Asking(nn.Module):
    """Asks for a value that only images tell."""

    def __init__(self) -> None:
        super().__init__()
        self.attends = Attends()

    def forward(self, images: Tensor) -> Tensor:
        return self.attends(images * float(images.mean()))  # type: ignore[no-any-return]


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("build", [Attends, Asking])
def test_a_copied_step_counts_as_a_traced_one(
    monkeypatch: pytest.MonkeyPatch, build: Callable[[], nn.Module], mode: str
) -> None:
    both(monkeypatch, build, mode=mode)


def test_a_step_that_leaves_more_than_it_found_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[bool] = []

    def asked(log: StorageLog) -> StorageLog | None:
        found = with_step_repeated(log)
        refused.append(found is None)
        return found

    monkeypatch.setattr(step, "with_step_repeated", asked)
    log = traced(Hoarder, mode="infer").log
    assert refused == [True, True]
    assert max(mark.step for mark in log.marks) == step.STEPS
