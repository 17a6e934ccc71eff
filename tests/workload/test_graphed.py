"""Whole-network graphs with a capture that behaves as CUDA's: kernels on fixed memory, replayed without Python."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch import Tensor

from segbench.workload import graphed
from segbench.workload.graphed import GraphedNetwork


class FakeGraph:
    """Runs the captured function on the same tensors again and writes into the same results."""

    def __init__(self, run: Callable[[], Tensor], result: Tensor) -> None:
        self._run, self._result = run, result
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1
        self._result.copy_(self._run())


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[FakeGraph]:
    made: list[FakeGraph] = []

    def capture(run: Callable[[], Tensor], warming_up: AbstractContextManager[object]) -> tuple[FakeGraph, Tensor]:
        result = run()
        made.append(FakeGraph(run, result))
        return made[-1], result

    monkeypatch.setattr(graphed, "captured", capture)
    return made


def test_a_network_is_captured_once_and_every_call_reads_its_own_images(captures: list[FakeGraph]) -> None:
    network = GraphedNetwork("x", lambda images: 2 * images)
    first = network(torch.ones(1, 3, 2, 2)).clone()
    second = network(torch.full((1, 3, 2, 2), 5.0))
    assert first.unique().tolist() == [2.0] and second.unique().tolist() == [10.0]
    assert len(captures) == 1 and captures[0].replays == 2


def test_the_layout_of_the_images_is_kept(captures: list[FakeGraph]) -> None:
    def network(images: Tensor) -> Tensor:
        assert images.is_contiguous(memory_format=torch.channels_last)
        return images

    GraphedNetwork("x", network)(torch.ones(1, 3, 4, 4).to(memory_format=torch.channels_last))
    assert captures


def test_rounded_weights_are_not_kept_from_the_capture(captures: list[FakeGraph]) -> None:
    """Autocast frees its copies when it ends; a replay must round anew."""
    kept: list[bool] = []

    def network(images: Tensor) -> Tensor:
        kept.append(torch.is_autocast_cache_enabled())
        return images

    with torch.autocast("cpu", torch.bfloat16):
        GraphedNetwork("x", network)(torch.ones(1))
    assert kept and not any(kept)


def spoilt(cause: Exception) -> Callable[..., Any]:
    """As torch's context manager: the error within the capture, and another one when the capture ends."""

    def capture(run: Callable[[], object], warming_up: object) -> Any:
        try:
            raise cause
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    return capture


def test_a_network_that_cannot_be_captured_is_refused_with_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    cause = RuntimeError("CUDA error: operation not permitted when stream is capturing\nand more")
    monkeypatch.setattr(graphed, "captured", spoilt(cause))
    with pytest.raises(
        NotImplementedError, match=r"adaptive-net cannot be captured .*operation not permitted .*solver"
    ):
        GraphedNetwork("adaptive-net", lambda images: images)(torch.ones(1))


def test_an_out_of_memory_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphed, "captured", spoilt(torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(RuntimeError, match="previous error") as found:
        GraphedNetwork("x", lambda images: images)(torch.ones(1))
    assert not isinstance(found.value, NotImplementedError)
