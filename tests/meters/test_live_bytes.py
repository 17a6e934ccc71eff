from __future__ import annotations

import pytest
import torch
from torch import nn

from segbench.meters.live_bytes import _Event, measure_live_peaks, peaks_from_events

FLOAT = 4


def test_a_linear_layers_inference_is_counted_by_hand() -> None:
    network = nn.Linear(1000, 500, bias=False)
    weight, batch, output = 1000 * 500 * FLOAT, 64 * 1000 * FLOAT, 64 * 500 * FLOAT

    def step() -> None:
        with torch.no_grad():
            network(torch.randn(64, 1000))

    (peak,) = measure_live_peaks(network, step, 1)
    assert peak.live == weight + batch + output


def test_a_training_step_holds_gradient_and_momentum() -> None:
    network = nn.Linear(1000, 1000, bias=False)
    weight = 1000 * 1000 * FLOAT
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)

    def step() -> None:
        network.zero_grad(set_to_none=True)
        network(torch.ones(1, 1000)).sum().backward()
        optimizer.step()

    first, second = measure_live_peaks(network, step, 2)
    assert first.live == pytest.approx(3 * weight, rel=0.02), "weight, gradient, momentum"
    assert second.live == pytest.approx(3 * weight, rel=0.02)


def test_what_one_kernel_allocates_and_frees_is_scratch() -> None:
    events = [
        _Event(0, 100, "segbench.step", 0),
        _Event(10, 40, "aten::convolution", 0),
        _Event(12, 12, "[memory]", 1000),
        _Event(14, 14, "[memory]", 50),
        _Event(30, 30, "[memory]", -1000),
        _Event(60, 60, "[memory]", -50),
    ]
    (peak,) = peaks_from_events(events, base=7)
    assert (peak.live, peak.scratch) == (57, 1000)


def test_what_is_made_while_a_saved_tensor_is_encoded_is_no_scratch_of_the_operator_that_saves_it() -> None:
    events = [
        _Event(0, 100, "segbench.step", 0),
        _Event(10, 40, "aten::relu_", 0),
        _Event(15, 35, "segbench.encode", 0),
        _Event(16, 20, "aten::clamp", 0),
        _Event(17, 17, "[memory]", 1000),
        _Event(30, 30, "[memory]", -1000),
    ]
    (peak,) = peaks_from_events(events, base=0)
    assert (peak.live, peak.scratch) == (1000, 0)


def test_a_tensor_freed_between_two_kernels_is_no_scratch() -> None:
    events = [
        _Event(0, 100, "segbench.step", 0),
        _Event(5, 95, "aten::conv2d", 0),  # composite: looked through
        _Event(10, 20, "aten::relu", 0),
        _Event(12, 12, "[memory]", 1000),
        _Event(30, 40, "aten::convolution", 0),
        _Event(45, 45, "[memory]", -1000),
    ]
    (peak,) = peaks_from_events(events, base=0)
    assert (peak.live, peak.scratch) == (1000, 0)


def test_each_step_has_its_own_peak() -> None:
    events = [
        _Event(0, 10, "segbench.step", 0),
        _Event(1, 1, "[memory]", 500),
        _Event(2, 2, "[memory]", -400),
        _Event(20, 30, "segbench.step", 0),
        _Event(21, 21, "[memory]", 10),
    ]
    assert [peak.live for peak in peaks_from_events(events, base=0)] == [500, 110]
