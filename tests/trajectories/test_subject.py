from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from segbench.errors import UserError
from segbench.ode.block import ODEBlock
from segbench.ode.state import State
from segbench.trajectories.subject import End, Subject
from segbench.zoo.segnode import SegNode


class Decay(nn.Module):
    def forward(self, time: float | Tensor, state: State) -> State:
        return tuple(-part for part in state)


class Shrinking(nn.Module):
    """Images fade as exp(-t); the logits are the image."""

    def __init__(self, **solving: object) -> None:
        super().__init__()
        self.ode = ODEBlock(Decay(), **solving)  # type: ignore[arg-type]

    @property
    def t_end(self) -> float:
        return self.ode.t_end

    def encode(self, images: Tensor) -> State:
        return (images,)

    def decode(self, streams: State, size: tuple[int, int]) -> Tensor:
        return streams[0]

    def trajectory(self, images: Tensor, times: Sequence[float]) -> list[Tensor]:
        return [self.decode(state, (2, 2)) for state in self.ode.trajectory(self.encode(images), times)]


class Exits(nn.Module):
    """Answers with the number of the exit."""

    t_end = 3.0

    def trajectory(self, images: Tensor, times: Sequence[float]) -> list[Tensor]:
        return [torch.full_like(images, time) for time in times]


IMAGES = torch.ones(2, 3, 2, 2)


def test_the_usual_ends_are_the_points_of_the_grid() -> None:
    subject = Subject(Shrinking(steps=4))
    assert subject.ends_at(subject.usual_times()) == [End(t / 4, t) for t in range(5)]
    assert subject.usual_steps() == [1, 2, 4, 8]


def test_the_answers_of_one_solve_are_those_of_the_ends_asked_for_alone() -> None:
    subject = Subject(Shrinking(steps=4))
    ends = subject.ends_at([0, 0.25, 0.5, 0.75])
    for number, (together, end) in enumerate(zip(subject.answers(IMAGES, ends), ends, strict=True)):
        assert torch.equal(together, subject.answer(IMAGES, end))
        assert torch.allclose(together, torch.full_like(IMAGES, 0.75**number)), "Euler's (1 - h)^n"


def test_one_solve_makes_each_evaluation_once() -> None:
    subject = Subject(Shrinking(steps=4))
    subject.answers(IMAGES, subject.ends_at([0, 0.25, 0.5, 0.75]))
    assert subject.blocks[0].nfe_forward == 4


def test_a_time_beside_the_grid_is_met_with_slightly_shorter_steps() -> None:
    subject = Subject(Shrinking(steps=4))
    end = subject.end_at(0.375)
    assert end.steps == 2
    assert torch.allclose(subject.answer(IMAGES, end), torch.full_like(IMAGES, (1 - 0.1875) ** 2))
    both = subject.answers(IMAGES, subject.ends_at([0.375]))
    assert torch.equal(both[0], subject.answer(IMAGES, end))


def test_beyond_its_own_end_the_solve_goes_on_with_the_same_step() -> None:
    subject = Subject(Shrinking(steps=4))
    answers = subject.answers(IMAGES, subject.ends_at([1.5]))
    assert torch.allclose(answers[-1], torch.full_like(IMAGES, 0.75**6))
    assert (subject.blocks[0].t_end, subject.blocks[0].steps) == (1.0, 4), "the network is left as it was"


def test_other_steps_take_the_whole_way() -> None:
    subject = Subject(Shrinking(steps=4))
    assert torch.allclose(subject.answer(IMAGES, subject.in_steps(2)), torch.full_like(IMAGES, 0.25))
    with pytest.raises(UserError, match="whole numbers from 1"):
        subject.in_steps(0)


def test_an_adaptive_solver_is_read_at_any_time_and_has_no_steps_to_set() -> None:
    subject = Subject(Shrinking(solver="dopri5", rtol=1e-6, atol=1e-6))
    ends = subject.ends_at([0.3, 1.25])
    for end, answer in zip(ends, subject.answers(IMAGES, ends), strict=True):
        assert torch.allclose(answer, torch.full_like(IMAGES, math.exp(-end.time)), atol=1e-4)
    assert subject.usual_steps() == []
    with pytest.raises(UserError, match="dopri5 has no number of steps"):
        subject.in_steps(2)


def test_exits_count_as_times() -> None:
    subject = Subject(Exits())
    ends = subject.ends_at(subject.usual_times())
    assert [float(answer.mean()) for answer in subject.answers(IMAGES, ends)] == [1, 2, 3]
    with pytest.raises(UserError, match="0 ODE blocks"):
        subject.states(IMAGES, ends)


def test_a_network_without_trajectory_is_refused_with_advice() -> None:
    with pytest.raises(UserError, match=r"Conv2d has no trajectory.*segnode"):
        Subject(nn.Conv2d(3, 11, 1))


def test_norms_tied_to_the_grid_allow_earlier_ends_but_no_other_steps() -> None:
    network = SegNode(widths=(4, 4, 4, 4), stem=4, modules=1, blocks=1, norm="batch-per-stage", recompute=False).eval()
    subject = Subject(network)
    assert subject.usual_steps() == []
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert len(subject.answers(images, subject.ends_at(subject.usual_times()))) == 5
        with pytest.raises(UserError, match="this solve makes more"):
            subject.answer(images, subject.in_steps(8))


def test_a_time_as_good_as_on_the_grid_is_the_grids_and_comes_once() -> None:
    subject = Subject(Shrinking(steps=3))
    times = sorted({0, 0.3333333, 0.6666667, 1, *subject.grid()})
    assert subject.ends_at(times) == [End(t / 3, t) for t in range(4)]
    fifths = Subject(Shrinking(steps=4, t_end=0.6))
    ends = fifths.ends_at(sorted({0, 0.15, 0.3, 0.45, 0.6, *fifths.grid()}))
    assert len(ends) == len(fifths.answers(IMAGES, ends)) == 5
