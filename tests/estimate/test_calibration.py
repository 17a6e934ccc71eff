"""What operators take beside their results, by an allocator made by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from segbench.estimate.calibration import (
    BesideResult,
    ConvolutionAsked,
    beside_results,
    best_model,
    convolution_workspaces,
    cublas_bytes,
)
from segbench.units import KIB

CPU = torch.device("cpu")


@dataclass
class ByHand:
    """An allocator of which every operator takes 9 KiB for its result and 5 KiB in passing, and once keeps 8."""

    held: int = 0
    most: int = 0
    kept_once: int = 0

    def allocated(self) -> int:
        return self.held

    def peak(self) -> int:
        return self.most

    def reset(self) -> None:
        self.most = self.held

    def running(self, result: int, kept: int, passing: int) -> Callable[[], torch.Tensor]:
        def run() -> torch.Tensor:
            self.held += result + kept
            self.most = max(self.most, self.held + passing)
            return torch.empty(result, dtype=torch.uint8)

        return run


def test_results_are_told_from_what_stays_and_from_what_passes() -> None:
    memory = ByHand(held=100 * KIB, most=500 * KIB)
    assert beside_results(memory.running(9 * KIB, 8 * KIB, 5 * KIB), memory) == BesideResult(8 * KIB, 5 * KIB)


def test_a_result_counts_as_the_allocator_rounds_it() -> None:
    memory = ByHand()

    def run() -> torch.Tensor:
        memory.held = memory.most = 512
        return torch.empty(3)

    assert beside_results(run, memory) == BesideResult(0, 0)


def test_the_first_product_of_matrices_leaves_the_workspace_of_its_handle(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = ByHand()

    def product(one: torch.Tensor, _other: torch.Tensor) -> torch.Tensor:
        memory.held += one.nbytes + 8 * KIB
        return torch.empty(256, 256)

    monkeypatch.setattr(torch.Tensor, "__matmul__", product)
    assert cublas_bytes(CPU, memory) == 8 * KIB


def test_a_convolution_is_set_beside_every_model_in_both_directions() -> None:
    asked = [
        ConvolutionAsked(128, 160, 8),
        ConvolutionAsked(128, 160, 8, stride=2),
        ConvolutionAsked(128, 128, 8, groups=4),
    ]
    rows = list(convolution_workspaces(asked, CPU, ByHand(), images=2))
    assert [(row["direction"], row["models"]["none"]) for row in rows] == [("forward", 0), ("backward", 0)] * 3
    assert rows[0]["convolution"]["filters"] == 160
    assert rows[0]["models"]["expected"] > 0 == rows[4]["models"]["expected"]


@pytest.mark.parametrize(("taken", "model"), [(0, "none"), (90, "expected"), (1000, "upper")])
def test_the_nearest_model_is_the_best(taken: int, model: str) -> None:
    rows: list[dict[str, Any]] = [{"taken": taken, "models": {"none": 0, "expected": 100, "upper": 900}}] * 2
    assert best_model(rows) == model
