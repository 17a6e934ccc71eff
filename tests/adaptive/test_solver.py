from __future__ import annotations

import pytest
import torch
from torch import Tensor

from segbench.adaptive.decisions import Everything, Replayed
from segbench.adaptive.inference import infer
from segbench.adaptive.run import Adaptive, costs_vary
from segbench.adaptive.solver import SolverRun
from segbench.errors import UserError
from segbench.trajectories.early_exit import ending_after
from segbench.zoo.segnode import SegNode


def segnode(**arguments: object) -> SegNode:
    torch.manual_seed(0)
    return SegNode(widths=(4, 8, 8, 8), stem=4, modules=1, blocks=1, **arguments).eval()  # type: ignore[arg-type]


@pytest.fixture
def images() -> Tensor:
    return torch.randn(5, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_all_steps_for_all_images_are_the_solve(images: Tensor) -> None:
    network = segnode()
    with torch.no_grad():
        state = network.ode(network.encode(images))
        assert torch.equal(infer(network, images, Everything()).scores, network.decode(state, (16, 16)))


def test_its_cost_does_not_vary_until_a_policy_is_asked_for() -> None:
    assert isinstance(segnode(), Adaptive)
    assert not costs_vary(segnode())


def test_images_that_leave_are_not_computed_any_more(images: Tensor) -> None:
    network, sizes = segnode(), list[int]()
    network.ode.f.register_forward_hook(lambda module, inputs, output: sizes.append(len(output[0])))
    infer(network, images, Replayed("by hand", ending_after([1, 4, 2, 4, 3])))
    assert sizes == [5, 4, 3, 2]


def test_an_adaptive_solver_cannot_be_left_between_steps(images: Tensor) -> None:
    with pytest.raises(UserError, match="dopri5 chooses its steps"):
        segnode(solver="dopri5").begin(images)


def test_under_autocast_the_state_is_kept_in_full_as_in_the_solve(images: Tensor) -> None:
    network = segnode()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        run = SolverRun(network, images)
        while not run.is_over:
            run.advance()
        end = network.ode(network.encode(images))
    assert {part.dtype for part in run.state()} == {torch.float32}
    assert all(torch.equal(mine, other) for mine, other in zip(run.state(), end, strict=True))
