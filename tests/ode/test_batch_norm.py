"""Running statistics inside f are updated by the forward solve and by nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from segbench.errors import UserError
from segbench.layers.norm_relu_conv import NormReluConv
from segbench.layers.norms import make_norm
from segbench.ode.block import ODEBlock
from segbench.ode.methods import GRADIENT_METHODS, SCHEMES, stages_of
from segbench.ode.state import State


class _Own(nn.Module):
    def __init__(self, norm: str = "batch", stages: int = 0, recompute: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.block = NormReluConv(4, 4, norm=norm, recompute=recompute, stages=stages)

    def forward(self, time: float | Tensor, state: State) -> State:
        return (self.block(state[0]),)


class _Torchs(nn.Module):
    """An f as a user writes it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm, self.conv = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, time: float | Tensor, state: State) -> State:
        return (self.conv(self.norm(state[0]).relu()),)


def _after_a_step(field: nn.Module, **arguments: object) -> tuple[dict[str, Tensor], ODEBlock]:
    block = ODEBlock(field, **arguments).double()  # type: ignore[arg-type]
    start = torch.randn(3, 4, 5, 5, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    block((start,))[0].sin().sum().backward()
    return dict(block.named_buffers()), block


@pytest.mark.parametrize("field", [_Own, _Torchs])
@pytest.mark.parametrize(
    ("solver", "gradient"), [(solver, gradient) for solver in SCHEMES for gradient in GRADIENT_METHODS[solver]]
)
def test_every_gradient_method_leaves_the_statistics_of_one_forward_solve(
    solver: str, gradient: str, field: type[nn.Module]
) -> None:
    expected, _ = _after_a_step(field(), solver=solver, steps=3)
    found, _ = _after_a_step(field(), solver=solver, gradient=gradient, steps=3)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("gradient", ["adjoint", "adjoint-seminorm", "backprop"])
@pytest.mark.parametrize("field", [_Own, _Torchs])
def test_an_adaptive_solve_updates_once_an_evaluation_forward_and_never_backward(
    field: type[nn.Module], gradient: str
) -> None:
    found, block = _after_a_step(field(), solver="dopri5", gradient=gradient)
    (updates,) = (value for name, value in found.items() if name.endswith("num_batches_tracked"))
    assert updates == block.nfe_forward


def test_the_search_of_aca_does_not_update() -> None:
    found, block = _after_a_step(_Own(), solver="dopri5", gradient="aca")
    assert found["f.block.norm.num_batches_tracked"] == 6 * block.steps_accepted
    assert block.nfe_forward > 6 * block.steps_accepted


def test_statistics_for_each_stage_are_those_of_its_own_values() -> None:
    stages = stages_of("midpoint", 2)
    found, _ = _after_a_step(_Own("batch-per-stage", stages), solver="midpoint", gradient="checkpoint-stage", steps=2)
    plain, _ = _after_a_step(_Own("batch-per-stage", stages, recompute=False), solver="midpoint", steps=2)
    assert found["f.block.norm.running_mean"].shape == (4, 4)
    for name, value in plain.items():
        torch.testing.assert_close(found[name], value, rtol=1e-10, atol=1e-10)
    assert len({tuple(row.tolist()) for row in found["f.block.norm.running_var"]}) == 4


def test_evaluation_with_statistics_for_each_stage_uses_the_stages_own() -> None:
    norm = make_norm("batch-per-stage", 1, stages=2)

    class Level(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = norm

        def forward(self, time: float | Tensor, state: State) -> State:
            return (self.norm(state[0]),)

    norm.running_mean.copy_(torch.tensor([[1.0], [5.0]]))  # type: ignore[union-attr]
    block = ODEBlock(Level(), steps=2, t_end=2.0).eval()
    (output,) = block((torch.full((1, 1, 1, 1), 1.0),))
    # stage 0: 1 - 1 = 0 stays at 1; stage 1: 1 - 5 = -4 goes to -3.
    assert output.item() == pytest.approx(-3.0, abs=1e-4)


def test_a_shorter_solve_on_the_same_step_is_possible_a_longer_one_is_refused() -> None:
    _, block = _after_a_step(_Own("batch-per-stage", 4), steps=4)
    start = (torch.randn(2, 4, 5, 5, dtype=torch.double),)
    block.eval().trajectory(start, (0.25, 0.5))
    block.steps = 8
    with pytest.raises(UserError, match="statistics for 4 evaluations"):
        block(start)
