from __future__ import annotations

import copy
import math
import subprocess
import sys
import warnings
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from segbench.errors import UnknownName, UserError
from segbench.layers.norm_relu_conv import NormReluConv
from segbench.layers.stage import at_stage
from segbench.ode.block import ODEBlock
from segbench.ode.methods import GRADIENT_METHODS, SCHEMES
from segbench.ode.state import State

PAIRS = [(solver, gradient) for solver, methods in GRADIENT_METHODS.items() for gradient in methods]
OWN_FIXED = [(solver, gradient) for solver in SCHEMES for gradient in GRADIENT_METHODS[solver] if gradient != "adjoint"]


class _Field(nn.Module):
    def __init__(self, norm: str = "group", stages: int = 0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.block = NormReluConv(4, 4, norm=norm, recompute=True, stages=stages)

    def forward(self, time: float | Tensor, state: State) -> State:
        return (self.block(state[0], time),)


def _start(dtype: torch.dtype = torch.float32) -> State:
    return (torch.randn(3, 4, 5, 5, dtype=dtype, generator=torch.Generator().manual_seed(1)),)


@pytest.mark.parametrize(
    ("solver", "gradient", "forward", "backward"),
    [
        ("euler", "backprop", 3, 0),
        ("euler", "checkpoint-step", 3, 3),
        ("midpoint", "checkpoint-stage", 6, 6),
        ("heun", "quadrature-adjoint", 6, 6),
        ("rk4", "checkpoint-stage", 12, 12),
        ("rk4", "adjoint", 12, 12),
        ("alf", "reversible", 4, 4),
        ("reversible-heun", "reversible", 4, 4),
    ],
)
def test_evaluations_are_counted_both_ways(solver: str, gradient: str, forward: int, backward: int) -> None:
    block = ODEBlock(_Field(), solver=solver, gradient=gradient, steps=3)
    output = block(_start())
    assert (block.nfe_forward, block.nfe_backward) == (forward, 0)
    output[0].sum().backward()
    assert (block.nfe_forward, block.nfe_backward) == (forward, backward)
    block(_start())
    assert block.nfe_forward == 2 * forward
    block.reset_nfe()
    assert (block.nfe_forward, block.nfe_backward) == (0, 0)


def test_adaptive_solves_report_their_steps() -> None:
    for gradient in GRADIENT_METHODS["dopri5"]:
        block = ODEBlock(_Field(), solver="dopri5", gradient=gradient)
        block(_start())[0].sum().backward()
        assert block.steps_accepted >= 1
        assert block.steps_rejected >= 0
        accepted = block.steps_accepted
        assert block.nfe_forward >= 6 * accepted
        if gradient != "backprop":
            assert block.nfe_backward > 0


@pytest.mark.parametrize(("solver", "gradient"), PAIRS)
def test_every_pair_gives_the_same_result_without_gradients(solver: str, gradient: str) -> None:
    block = ODEBlock(_Field(), solver=solver, gradient=gradient, steps=2, rtol=1e-5, atol=1e-5).eval()
    with torch.no_grad():
        (output,) = block(_start())
    assert not output.requires_grad
    block.use(gradient="backprop")
    if gradient == "aca":  # on a grid of its own
        torch.testing.assert_close(block(_start())[0], output, rtol=1e-2, atol=1e-2)
    else:
        torch.testing.assert_close(block(_start())[0], output)


@pytest.mark.parametrize(
    ("solver", "gradient", "states"),
    [
        ("euler", "checkpoint-stage", 3),
        ("rk4", "checkpoint-stage", 12),
        ("rk4", "checkpoint-step", 3),
        ("rk4", "quadrature-adjoint", 1),
        ("rk4", "adjoint", 2),  # torchdiffeq keeps the first one, too
        ("alf", "reversible", 2),
        ("reversible-heun", "reversible", 2),
    ],
)
def test_so_many_states_are_stored_for_the_backward_pass(solver: str, gradient: str, states: int) -> None:
    block, start = ODEBlock(_Field(), solver=solver, gradient=gradient, steps=3), _start()
    known = {parameter.data_ptr() for parameter in block.parameters()}
    stored: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in known and tensor.numel() > 2:
            stored[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        block(start)
    assert sum(stored.values()) == states * start[0].numel()


@pytest.mark.parametrize(("solver", "gradient"), OWN_FIXED)
def test_fixed_grids_run_on_meta(solver: str, gradient: str) -> None:
    with torch.device("meta"):
        block = ODEBlock(_Field(), solver=solver, gradient=gradient, steps=2)
        start = torch.empty(2, 4, 6, 6, requires_grad=True)
    (output,) = block((start,))
    output.sum().backward()
    assert start.grad is not None and start.grad.shape == start.shape
    assert all(parameter.grad is not None for parameter in block.parameters())


def test_torchdiffeqs_tableaus_hold_values_where_the_room_is_first_imported_on_meta() -> None:
    program = (
        "import torch\n"
        "with torch.device('meta'):\n"
        "    from segbench.ode.adaptive_grid import embedded_scheme\n"
        "assert embedded_scheme('dopri5').scheme.tableau.b[0] == 35 / 384\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


class _Precise(nn.Module):
    """Notes the dtype in which its convolution works."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.seen: list[torch.dtype] = []

    def forward(self, time: float | Tensor, state: State) -> State:
        slope = self.conv(state[0])
        self.seen.append(slope.dtype)
        return (slope.tanh(),)


@pytest.mark.parametrize(("solver", "gradient"), PAIRS)
def test_under_autocast_f_has_one_precision_both_ways_and_the_state_is_float32(solver: str, gradient: str) -> None:
    field = _Precise()
    block = ODEBlock(field, solver=solver, gradient=gradient, steps=2, rtol=1e-1, atol=1e-1)
    with torch.autocast("cpu", torch.bfloat16):
        (output,) = block((_start()[0].bfloat16(),))
    assert output.dtype == torch.float32
    output.sum().backward()
    assert set(field.seen) == {torch.bfloat16}
    assert len(field.seen) == block.nfe_forward + block.nfe_backward
    assert field.conv.weight.grad is not None
    assert field.conv.weight.grad.abs().sum() > 0


def test_a_backward_pass_inside_of_another_autocast_keeps_the_forwards_precision() -> None:
    field = _Precise()
    (output,) = ODEBlock(field, gradient="checkpoint-stage")(_start())
    with torch.autocast("cpu", torch.bfloat16):
        output.sum().backward()
    assert set(field.seen) == {torch.float32}


def test_two_solves_under_one_autocast_both_have_gradients() -> None:
    field = _Precise()
    block = ODEBlock(field, gradient="checkpoint-stage")
    with torch.autocast("cpu", torch.bfloat16):
        block(_start())
        block.use(gradient="backprop")
        (output,) = block(_start())
    (gradient,) = torch.autograd.grad(output.sum(), [field.conv.weight])
    assert gradient.abs().sum() > 0


def test_half_precision_networks_keep_their_dtype_without_autocast() -> None:
    block = ODEBlock(_Precise().bfloat16())
    (output,) = block((_start()[0].bfloat16(),))
    assert output.dtype == torch.bfloat16


class _Decay(nn.Module):
    """h' = -k h, with the rate k of each sample in a second part: a large one makes small steps necessary."""

    def forward(self, time: float | Tensor, state: State) -> State:
        value, rate = state
        return -rate * value, torch.zeros_like(rate)


def _solved(rates: Sequence[float], *, per_sample: bool, gradient: str = "backprop") -> Tensor:
    block = ODEBlock(_Decay(), solver="dopri5", gradient=gradient, per_sample_norm=per_sample)
    value = torch.ones(len(rates), 1, dtype=torch.double, requires_grad=True)
    output: Tensor = block((value, torch.tensor(rates, dtype=torch.double).unsqueeze(1)))[0]
    return output


@pytest.mark.parametrize("gradient", GRADIENT_METHODS["dopri5"])
def test_with_per_sample_norm_a_result_does_not_depend_on_batch_mates(gradient: str) -> None:
    easy = _solved([1.0, 1.0], per_sample=True, gradient=gradient)
    beside_hard = _solved([1.0, 80.0], per_sample=True, gradient=gradient)
    assert torch.equal(easy[0], beside_hard[0])
    beside_hard.sum().backward()


def test_without_it_the_hardest_sample_decides_for_all() -> None:
    easy, beside_hard = _solved([1.0, 1.0], per_sample=False), _solved([1.0, 80.0], per_sample=False)
    assert not torch.equal(easy[0], beside_hard[0])


def test_with_per_sample_norm_counts_are_means_over_samples() -> None:
    counts = []
    for rates in ([1.0], [80.0], [1.0, 80.0]):
        block = ODEBlock(_Decay(), solver="dopri5", per_sample_norm=True)
        block((torch.ones(len(rates), 1), torch.tensor(rates).unsqueeze(1)))
        counts.append(block.nfe_forward)
    assert counts[2] == (counts[0] + counts[1]) / 2


def test_a_trajectory_per_sample_is_put_together_again() -> None:
    block = ODEBlock(_Decay(), solver="dopri5", per_sample_norm=True, rtol=1e-6, atol=1e-6)
    rates = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.double)
    states = block.trajectory((torch.ones(3, 1, dtype=torch.double), rates), (0.5, 1.0))
    for time, (value, _) in zip((0.5, 1.0), states, strict=True):
        torch.testing.assert_close(value, torch.exp(-rates * time), rtol=1e-4, atol=1e-4)


def test_steps_and_end_may_change_after_construction() -> None:
    block = ODEBlock(_Field(), steps=4)
    full = block.trajectory(_start(), (0.5,))[0]
    block.t_end, block.steps = 0.5, 2
    assert torch.equal(block(_start())[0], full[0])


def test_time_zero_is_the_given_state_and_costs_nothing() -> None:
    block, start = ODEBlock(_Field()), _start()
    (state,) = block.trajectory(start, (0.0,))
    assert torch.equal(state[0], start[0])
    assert block.nfe_forward == 0


@pytest.mark.parametrize("times", [(), (0.5, 0.25), (-0.25, 0.5), (0.5, 1.25), (0.5, 0.5)])
def test_times_that_do_not_increase_within_the_interval_are_refused(times: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match="must increase within 0 to t_end = 1"):
        ODEBlock(_Field()).trajectory(_start(), times)


@pytest.mark.parametrize("name", ["steps", "t_end", "rtol", "atol"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "text", None, True])
def test_a_setting_that_is_no_number_from_0_is_refused(name: str, value: object) -> None:
    with pytest.raises(UserError, match=f"{name} is .*; it must be a"):
        ODEBlock(_Field(), solver="dopri5", **{name: value})  # type: ignore[arg-type]


def test_a_tolerance_that_no_step_can_meet_is_refused() -> None:
    with pytest.raises(UserError, match="both 0"):
        ODEBlock(_Field(), solver="dopri5", rtol=0, atol=0.0)


def test_what_does_not_go_together_is_refused_and_changes_nothing() -> None:
    with pytest.raises(UnknownName):
        ODEBlock(_Field(), solver="euler5")
    with pytest.raises(UserError, match="adaptive solvers"):
        ODEBlock(_Field(), solver="euler", per_sample_norm=True)
    block = ODEBlock(_Field(), solver="rk4", gradient="checkpoint-stage")
    with pytest.raises(UserError, match="goes with"):
        block.use(solver="alf")
    assert (block.solver, block.gradient) == ("rk4", "checkpoint-stage")
    block.use(solver="alf", gradient="reversible")
    assert (block.solver, block.gradient) == ("alf", "reversible")


def test_statistics_for_each_stage_need_a_solver_with_stages_that_tells_them() -> None:
    with pytest.raises(UserError, match="chooses its steps"):
        ODEBlock(_Field("batch-per-stage", 4), solver="dopri5")
    with pytest.raises(UserError, match="tells f no stage"):
        ODEBlock(_Field("batch-per-stage", 4), gradient="adjoint")


def test_a_solve_that_diverges_says_what_to_do() -> None:
    for gradient in ("backprop", "aca"):
        block = ODEBlock(_Explosion(), solver="dopri5", gradient=gradient)
        with pytest.raises(UserError, match="fixed grid such as euler"):
            block((torch.ones(1, 1, dtype=torch.double),))


class _Explosion(nn.Module):
    """h' = h^2 from 1 reaches infinity at t = 1; here before."""

    def forward(self, time: float | Tensor, state: State) -> State:
        return (2 * state[0] ** 2,)


class _Nested(nn.Module):
    """An f that solves an ODE itself."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = ODEBlock(_Field("batch"), gradient="checkpoint-stage", steps=2)

    def forward(self, time: float | Tensor, state: State) -> State:
        return self.inner(state)


def test_an_ode_inside_of_f_is_exact_and_knows_when_it_is_repeated() -> None:
    start = _start(torch.double)
    gradients, fields = [], []
    for gradient in ("backprop", "checkpoint-stage"):
        block = ODEBlock(_Nested().double(), gradient=gradient, steps=3)
        gradients.append(torch.autograd.grad(block(start)[0].sin().sum(), list(block.parameters())))
        fields.append(block.f)
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
    for a, b in zip(fields[0].buffers(), fields[1].buffers(), strict=True):
        assert torch.equal(a, b)
    assert fields[1].inner.nfe_forward == 6  # type: ignore[union-attr]


def test_names_in_the_state_dict_are_those_of_f() -> None:
    field = _Field()
    assert list(ODEBlock(field).state_dict()) == [f"f.{name}" for name in field.state_dict()]


def test_a_block_can_be_copied() -> None:
    block = ODEBlock(_Field(), solver="alf", gradient="reversible")
    twin = copy.deepcopy(block)
    twin(_start())
    assert (block.nfe_forward, twin.nfe_forward) == (0, 5)


def test_a_compiled_f_gives_the_same_result_gradient_and_names() -> None:
    plain = ODEBlock(_Field("batch"), gradient="checkpoint-stage")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = ODEBlock(_Field("batch"), gradient="checkpoint-stage", compile_f="eager")
        outputs = [block(_start())[0] for block in (plain, compiled)]
        gradients = [
            torch.autograd.grad(output.sin().sum(), list(block.parameters()))
            for output, block in zip(outputs, (plain, compiled), strict=True)
        ]
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*gradients)
    for (name, a), (other, b) in zip(plain.state_dict().items(), compiled.state_dict().items(), strict=True):
        assert name == other
        torch.testing.assert_close(a, b)


def test_f_hears_the_number_of_each_evaluation() -> None:
    field = _Field("batch-per-stage", 6)
    block = ODEBlock(field, solver="midpoint", steps=3)
    block(_start())
    mean = field.block.norm.running_mean
    assert mean is not None
    assert len({tuple(row.tolist()) for row in mean}) == 6
    with at_stage(5):
        assert torch.equal(field.block.norm.statistics()[0], mean[5])  # type: ignore[union-attr, operator]
