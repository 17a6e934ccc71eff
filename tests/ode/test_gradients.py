"""Exact methods equal plain back-propagation in float64; approximate ones come near as the grid gets finer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from segbench.layers.norm_relu_conv import NormReluConv
from segbench.ode.adaptive_grid import embedded_scheme, find_grid
from segbench.ode.block import ODEBlock
from segbench.ode.counts import Counts
from segbench.ode.evaluator import Evaluator
from segbench.ode.methods import ADAPTIVE, GRADIENT_METHODS, SCHEMES
from segbench.ode.scheme import solve
from segbench.ode.state import State
from segbench.ode.tolerance import Tolerance

EXACT = [
    (solver, gradient)
    for solver in SCHEMES
    for gradient, method in GRADIENT_METHODS[solver].items()
    if method.exact and gradient != "backprop"
]


class _Field(nn.Module):
    """Two streams of different size that feed each other, conditioned on time; every kind of parameter of SegNode's."""

    def __init__(self, norm: str = "group", recompute: bool = False, smooth: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.smooth = smooth
        self.own = NormReluConv(4, 4, norm=norm, recompute=recompute, time_conditioned=True)
        self.down = NormReluConv(4, 8, 3, 2, norm=norm, recompute=recompute)
        self.low = NormReluConv(8, 8, 1, norm=norm, recompute=recompute, time_conditioned=True)
        self.unused = nn.Parameter(torch.ones(3))
        self.double()
        for parameter in self.parameters():
            if parameter.dim() == 1:
                parameter.data.normal_(0.5, 0.3)

    def forward(self, time: float | Tensor, state: State) -> State:
        large, small = state
        if self.smooth:
            large, small = torch.tanh(large), torch.tanh(small)
            return small.mean() - large * self.own.conv.weight.mean(), large.mean() * time - small
        inner = self.own(large, time)
        return inner, self.down(inner) - self.low(small, time)


def _start() -> State:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(2, 4, 6, 5, dtype=torch.double, generator=generator).requires_grad_(),
        torch.randn(2, 8, 3, 3, dtype=torch.double, generator=generator).requires_grad_(),
    )


def _loss(states: Sequence[State]) -> Tensor:
    """Each state and each part has a weight of its own, so that mixed-up cotangents show."""
    parts = [(i + 1) * (j + 2) * part.sin().sum() for i, state in enumerate(states) for j, part in enumerate(state)]
    return torch.stack(parts).sum()


def _gradient(block: ODEBlock, times: Sequence[float] = (1.0,)) -> tuple[Tensor, Tensor]:
    """The loss, and the gradients of state and parameters end to end."""
    state = _start()
    loss = _loss(block.trajectory(state, times))
    sources = [*state, *block.parameters()]
    found = torch.autograd.grad(loss, sources, allow_unused=True)
    return loss.detach(), torch.cat(
        [torch.zeros_like(s).flatten() if g is None else g.flatten() for g, s in zip(found, sources, strict=True)]
    )


def _relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(("solver", "gradient"), EXACT)
def test_an_exact_method_equals_plain_back_propagation(solver: str, gradient: str, recompute: bool) -> None:
    field = _Field(recompute=recompute)
    plain_loss, expected = _gradient(ODEBlock(field, solver=solver, steps=3))
    loss, found = _gradient(ODEBlock(field, solver=solver, gradient=gradient, steps=3))
    torch.testing.assert_close(loss, plain_loss, rtol=1e-14, atol=0)
    assert _relative(found, expected) < 1e-12


@pytest.mark.parametrize(("solver", "gradient"), EXACT)
def test_supervision_along_the_trajectory_is_differentiated_exactly_too(solver: str, gradient: str) -> None:
    field = _Field()
    times = (0.0, 0.25, 0.75, 1.0)
    _, expected = _gradient(ODEBlock(field, solver=solver, steps=4), times)
    _, found = _gradient(ODEBlock(field, solver=solver, gradient=gradient, steps=4), times)
    assert _relative(found, expected) < 1e-12


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_reversible_methods_are_exact_with_either_norm(norm: str) -> None:
    for solver in ("alf", "reversible-heun"):
        field = _Field(norm=norm)
        _, expected = _gradient(ODEBlock(field, solver=solver, steps=4))
        _, found = _gradient(ODEBlock(field, solver=solver, gradient="reversible", steps=4))
        assert _relative(found, expected) < 1e-9


@pytest.mark.parametrize("solver", ADAPTIVE)
def test_aca_is_exact_for_the_grid_it_found(solver: str) -> None:
    field, tolerance, times = _Field(recompute=True), Tolerance(1e-2, 1e-2), (0.4, 1.0)
    block = ODEBlock(field, solver=solver, gradient="aca", rtol=1e-2, atol=1e-2)
    loss, found = _gradient(block, times)

    state, embedded = _start(), embedded_scheme(solver)
    f = Evaluator(field, state, Counts())
    grid, _ = find_grid(embedded, f, state, times, tolerance)
    states, _ = solve(embedded.scheme, f, grid, state)
    sources = [*state, *field.parameters()]
    plain_loss = _loss(states)
    gradients = torch.autograd.grad(plain_loss, sources, allow_unused=True)
    expected = torch.cat(
        [torch.zeros_like(s).flatten() if g is None else g.flatten() for g, s in zip(gradients, sources, strict=True)]
    )
    torch.testing.assert_close(loss, plain_loss.detach(), rtol=1e-14, atol=0)
    assert _relative(found, expected) < 1e-12
    assert block.nfe_backward == grid.steps * embedded.scheme.tableau.stages


@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun", "rk4"])
def test_both_continuous_adjoints_on_a_grid_give_the_same_gradient(solver: str) -> None:
    field = _Field()
    loss, expected = _gradient(ODEBlock(field, solver=solver, gradient="adjoint", steps=3), (1 / 3, 1.0))
    ours, found = _gradient(ODEBlock(field, solver=solver, gradient="quadrature-adjoint", steps=3), (1 / 3, 1.0))
    torch.testing.assert_close(loss, ours, rtol=1e-12, atol=0)
    assert _relative(found, expected) < 1e-10


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2), ("rk4", 4)])
def test_the_error_of_the_quadrature_adjoint_falls_with_the_solvers_order(solver: str, order: int) -> None:
    errors = []
    for steps in (8, 16):
        field = _Field(smooth=True)
        _, expected = _gradient(ODEBlock(field, solver=solver, steps=steps))
        _, found = _gradient(ODEBlock(field, solver=solver, gradient="quadrature-adjoint", steps=steps))
        errors.append(_relative(found, expected))
    assert errors[0] / errors[1] > 0.7 * 2**order


@pytest.mark.parametrize("gradient", ["adjoint", "adjoint-seminorm"])
def test_the_adaptive_adjoint_comes_near_with_a_tight_tolerance(gradient: str) -> None:
    field = _Field(smooth=True)
    _, expected = _gradient(ODEBlock(field, solver="dopri5", rtol=1e-8, atol=1e-8))
    block = ODEBlock(field, solver="dopri5", gradient=gradient, rtol=1e-8, atol=1e-8)
    _, found = _gradient(block)
    assert 0 < _relative(found, expected) < 1e-5
    assert block.nfe_backward > 0


@pytest.mark.parametrize("solver", SCHEMES)
def test_the_gradient_method_never_changes_the_result(solver: str) -> None:
    field = _Field()
    with torch.no_grad():
        expected = ODEBlock(field, solver=solver, steps=3)(_start())
    for gradient in GRADIENT_METHODS[solver]:
        found = ODEBlock(field, solver=solver, gradient=gradient, steps=3)(_start())
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


class _Aliased(nn.Module):
    """Two parameters and a state whose gradients autograd hands out as one and the same tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.zeros(2, 3, dtype=torch.double))
        self.b = nn.Parameter(torch.zeros(2, 3, dtype=torch.double))

    def forward(self, time: float | Tensor, state: State) -> State:
        return (state[0] + self.a + self.b,)


@pytest.mark.parametrize(("solver", "gradient"), EXACT)
def test_gradients_that_share_memory_are_not_summed_into_each_other(solver: str, gradient: str) -> None:
    field = _Aliased()
    start = torch.randn(2, 3, dtype=torch.double, requires_grad=True)
    expected, found = (
        torch.autograd.grad(
            ODEBlock(field, solver=solver, gradient=method)((start,))[0].sin().sum(), [start, field.a, field.b]
        )
        for method in ("backprop", gradient)
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


class _HalfConstant(nn.Module):
    """One part's derivative does not depend on anything."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(0.5, dtype=torch.double))

    def forward(self, time: float | Tensor, state: State) -> State:
        return self.rate * state[0], torch.ones_like(state[1])


@pytest.mark.parametrize(("solver", "gradient"), EXACT)
def test_a_part_that_nothing_drives_passes_its_gradient_on(solver: str, gradient: str) -> None:
    field = _HalfConstant()
    start = tuple(torch.ones(1, 2, dtype=torch.double, requires_grad=True) for _ in range(2))
    states = ODEBlock(field, solver=solver, gradient=gradient)(start)
    gradients = torch.autograd.grad(states[0].sum() + 3 * states[1].sum(), [*start, field.rate])
    assert torch.equal(gradients[1], torch.full((1, 2), 3.0, dtype=torch.double))
    assert gradients[2] > 0
