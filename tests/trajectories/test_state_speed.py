from __future__ import annotations

import pytest
import torch

from segbench.trajectories.state_speed import length, state_speeds
from segbench.trajectories.subject import Subject
from segbench.zoo.segnode import SegNode


def test_the_length_is_over_all_parts_of_each_sample() -> None:
    state = (torch.tensor([[3.0, 0.0], [1.0, 0.0]]), torch.tensor([[4.0], [0.0]]))
    assert length(state).tolist() == [5.0, 1.0]


def test_the_speed_at_zero_is_that_of_the_entrys_state() -> None:
    network = SegNode(widths=(4, 4, 4, 4), stem=4, modules=1, blocks=1).eval()
    subject, images = Subject(network), torch.randn(2, 3, 64, 64)
    speeds = state_speeds(subject, images, subject.ends_at([0, 0.5]))
    with torch.no_grad():
        state = network.encode(images)
        expected = length(network.ode.f(0.0, state)) / length(state)
    assert speeds[0].tolist() == pytest.approx(expected.tolist())
    assert [speed.shape for speed in speeds] == [(2,), (2,), (2,)]


@pytest.mark.parametrize("arguments", [{"norm": "batch-per-stage"}, {"solver": "dopri5"}, {"time": "film"}])
def test_every_kind_of_f_has_a_speed(arguments: dict[str, str]) -> None:
    network = SegNode(widths=(4, 4, 4, 4), stem=4, modules=1, blocks=1, **arguments).eval()  # type: ignore[arg-type]
    subject = Subject(network)
    speeds = state_speeds(subject, torch.randn(1, 3, 64, 64), subject.ends_at(subject.usual_times()))
    assert all(speed > 0 for speed in speeds)
