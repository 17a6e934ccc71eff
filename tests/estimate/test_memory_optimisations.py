"""The traced memory of every switch, against real runs on the CPU and, for what leaves the GPU, a sum by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from segbench.memory_optimisations.switches import apply_optimisations
from tests.estimate.test_step import real_peak, traced
from tests.memory_optimisations.networks import tiny
from tests.memory_optimisations.test_switches import FORMS

TWO = ("recompute+checkpoint", "checkpoint+compress", "reversible+recompute", "inplace-abn+checkpoint:sqrt")


def builder(form: str = "", dropout: float = 0.0) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        network = tiny(dropout, torch.float32)
        apply_optimisations(network, filter(None, form.split("+")))
        return network

    return build


def predicted(form: str = "", target: str = "cpu") -> int:
    return traced(builder(form), target=target).log.peak[1]


@pytest.mark.parametrize("form", [*FORMS, *TWO])
def test_predicted_live_bytes_equal_a_real_run(form: str) -> None:
    assert predicted(form) == pytest.approx(real_peak(builder(form), "train", 2), rel=2e-4)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "save-on-cpu"])
def test_every_switch_saves_memory(form: str) -> None:
    assert predicted(form) < 0.91 * predicted()


def test_what_is_saved_on_the_cpu_is_no_memory_of_the_gpu() -> None:
    def peak(depth: int, form: str) -> int:
        def build() -> nn.Module:
            network = nn.Sequential(*(layer for _ in range(depth) for layer in (nn.Conv2d(3, 3, 1), nn.Sigmoid())))
            apply_optimisations(network, filter(None, [form]))
            return network

        return traced(build).log.peak[1]

    maps, weights = 2 * 3 * 24 * 32 * 4, (3 * 3 + 3) * 4
    held = 3 * weights  # with gradient and momentum
    assert peak(18, "") - peak(9, "") == pytest.approx(9 * (maps + held), abs=9 * held)
    assert peak(18, "save-on-cpu") - peak(9, "save-on-cpu") == pytest.approx(9 * held, abs=9 * held)
