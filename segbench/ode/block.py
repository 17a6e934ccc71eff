"""The ODE block: the solution of h' = f(t, h) as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import torch
from torch import nn

from segbench.errors import UserError
from segbench.layers.norms import StageBatchNorm2d
from segbench.layers.precision import Precision
from segbench.ode.compiled import compile_in_place
from segbench.ode.counts import Counts, plain_number
from segbench.ode.cuda_graphs import CudaGraphs
from segbench.ode.evaluator import Evaluator
from segbench.ode.methods import ADAPTIVE, Settings, find_gradient, solve_ode, stages_of
from segbench.ode.state import State
from segbench.ode.tolerance import Tolerance, is_number


class ODEBlock(nn.Module):
    """Solves `h' = f(t, h)` from t = 0; its only parameters are f's.

    The state is a tuple of tensors with the batch as first axis; under autocast it is kept in float32, and f runs in
    the forward's precision both ways.
    `steps`, `t_end`, `rtol` and `atol` may be set anew at any time; solver and gradient method through `use`.

    Args:
        f: `f(t, state) -> derivative`, of the state's shapes; t is a float on fixed grids, a 0-d tensor otherwise.
        solver: euler, midpoint, heun, rk4, alf, reversible-heun, or torchdiffeq's dopri5, bosh3, adaptive_heun,
            fehlberg2, dopri8. A network trained with four or more Euler steps is a genuine ODE (other step numbers give
            the same accuracy), one trained with a single step is not.
        gradient: how the solution is differentiated, see `segbench.ode.methods.METHODS`.
        steps: of a fixed grid on (0, t_end].
        t_end: where the solution is wanted.
        rtol, atol: of adaptive solvers. 1e-3 is what ODE networks for images are trained with (U-Node, torchdiffeq's
            examples); tighter costs evaluations without gain, as ReLUs have kinks.
        per_sample_norm: give each sample an adaptive solve of its own, one after another, so that its result does not
            depend on its batch mates. A batch solved as one has one step size, decided by a mean over all samples.
        compile_f: compile f in place with inductor or the named backend, see `compile_in_place`.
        cuda_graph: replay f's kernels on CUDA as one launch where no autograd graph is recorded, see `CudaGraphs`.

    Raises:
        UnknownName: no such solver or gradient method.
        UserError: arguments that do not go together; the message says why and what does.
    """

    def __init__(
        self,
        f: nn.Module,
        *,
        solver: str = "euler",
        gradient: str = "backprop",
        steps: int = 4,
        t_end: float = 1.0,
        rtol: float = 1e-3,
        atol: float = 1e-3,
        per_sample_norm: bool = False,
        compile_f: bool | str = False,
        cuda_graph: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
            raise UserError(f"steps is {steps!r}; it must be a whole number from 1")
        if not is_number(t_end) or t_end < 0:
            raise UserError(f"t_end is {t_end!r}; it must be a number from 0")
        Tolerance(rtol, atol)
        self.f = f
        self.steps, self.t_end = steps, t_end
        self.rtol, self.atol = rtol, atol
        self.per_sample_norm = per_sample_norm
        self._solver, self._gradient = solver, gradient
        self.use()
        self.counts = Counts()
        self._graphs = CudaGraphs(f) if cuda_graph else None
        if compile_f:
            compile_in_place(f, "inductor" if compile_f is True else compile_f)

    def use(self, *, solver: str | None = None, gradient: str | None = None) -> None:
        """Takes another solver, gradient method, or both from now on.

        Raises:
            UnknownName, UserError: as the constructor; nothing is changed then.
        """
        solver = self._solver if solver is None else solver
        gradient = self._gradient if gradient is None else gradient
        find_gradient(solver, gradient)
        if self.per_sample_norm and solver not in ADAPTIVE:
            raise UserError(f"per_sample_norm is for adaptive solvers ({', '.join(ADAPTIVE)}); {solver} needs no norm")
        if any(isinstance(norm, StageBatchNorm2d) and norm.stages for norm in self.f.modules()):
            stages_of(solver, self.steps)
            if gradient == "adjoint":
                raise UserError("torchdiffeq's adjoint tells f no stage, as norm 'batch-per-stage' needs; use another")
        self._solver, self._gradient = solver, gradient

    @property
    def solver(self) -> str:
        return self._solver

    @property
    def gradient(self) -> str:
        return self._gradient

    @property
    def nfe_forward(self) -> int | float:
        """Evaluations of f in forward solves since the last reset; with `per_sample_norm` the mean over samples."""
        return plain_number(self.counts.forward)

    @property
    def nfe_backward(self) -> int | float:
        """Evaluations of f in backward passes, each followed by a vector-Jacobian product."""
        return plain_number(self.counts.backward)

    @property
    def steps_accepted(self) -> int | float:
        """Steps that adaptive forward solves have taken since the last reset."""
        return plain_number(self.counts.accepted)

    @property
    def steps_rejected(self) -> int | float:
        """Steps that adaptive forward solves have tried in vain since the last reset."""
        return plain_number(self.counts.rejected)

    def reset_nfe(self) -> None:
        """Sets all counters to 0."""
        self.counts = Counts()

    def forward(self, state: State) -> State:
        """The state at `t_end`."""
        return self.trajectory(state, (self.t_end,))[0]

    def trajectory(self, state: State, times: Sequence[float]) -> list[State]:
        """The states at some times, from one solve that ends at the last of them.

        Args:
            state: at t = 0.
            times: increasing, from 0 to `t_end`. On a fixed grid they must be points i t_end / steps. torchdiffeq
                interpolates between its steps, which these times do not change; aca steps onto each of them.

        Raises:
            UserError: times that are not increasing, out of range, or off the grid; a solver that gives up.
        """
        wanted = [float(time) for time in times]
        if (
            not wanted
            or wanted[0] < 0
            or wanted[-1] > self.t_end * (1 + 1e-9)
            or any(a >= b for a, b in pairwise(wanted))
        ):
            raise UserError(f"times {wanted} must increase within 0 to t_end = {self.t_end:g}")
        state = accumulated_in_full(state)
        start = [state] if wanted[0] == 0 else []
        later = wanted[len(start) :]
        if not later:
            return start
        return start + (self._solve_each(state, later) if self.per_sample_norm else self._solve(state, later))

    def extra_repr(self) -> str:
        grid = f"rtol={self.rtol:g}, atol={self.atol:g}" if self.solver in ADAPTIVE else f"steps={self.steps}"
        return f"solver={self.solver}, gradient={self.gradient}, t_end={self.t_end:g}, {grid}"

    def _solve(self, state: State, times: Sequence[float], share: Fraction = Fraction(1)) -> list[State]:
        f = Evaluator(self.f, state, self.counts, share, self._graphs)
        tolerance = Tolerance(self.rtol, self.atol)
        settings = Settings(self.solver, self.gradient, self.steps, self.t_end, tolerance)
        with f.forward_solve():
            return solve_ode(settings, f, state, times)

    def _solve_each(self, state: State, times: Sequence[float]) -> list[State]:
        """Sample by sample, put together again."""
        samples = len(state[0])
        solved = [
            self._solve(tuple(part[n : n + 1] for part in state), times, Fraction(1, samples)) for n in range(samples)
        ]
        return [
            tuple(torch.cat(parts) for parts in zip(*(trajectory[index] for trajectory in solved), strict=True))
            for index in range(len(times))
        ]


def accumulated_in_full(state: State) -> State:
    """Float32 in place of what autocast rounded: increments of a step are lost in 8 bits."""
    if not Precision.around(state[0]).enabled:
        return state
    return tuple(part.float() if part.dtype in (torch.bfloat16, torch.float16) else part for part in state)
