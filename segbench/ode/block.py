"""The ODE block: the solution of h' = f(t, h) as a layer."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from segbench.errors import UserError
from segbench.layers.stage import at_stage
from segbench.ode.grid import uniform_grid
from segbench.ode.state import State, advance
from segbench.ode.tableaus import FIXED


class ODEBlock(nn.Module):
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
    ) -> None:
        super().__init__()
        self.f = f
        self.solver, self.gradient = solver, gradient
        self.steps, self.t_end = steps, t_end
        self.rtol, self.atol, self.per_sample_norm = rtol, atol, per_sample_norm
        self.reset_nfe()

    def reset_nfe(self) -> None:
        self.nfe_forward = 0
        self.nfe_backward = 0

    def forward(self, state: State) -> State:
        return self.trajectory(state, (self.t_end,))[0]

    def trajectory(self, state: State, times: Sequence[float]) -> list[State]:
        if self.solver not in FIXED or self.gradient != "backprop":
            raise UserError("only fixed grids with backprop yet")
        tableau = FIXED[self.solver]
        grid = uniform_grid(self.t_end, self.steps, [time for time in times if time])
        found = [] if times[0] else [state]
        for number in range(grid.steps):
            time, length = grid.step(number)
            slopes: list[State] = []
            for stage in range(tableau.stages):
                point = advance(state, [length * a for a in tableau.a[stage]], slopes)
                with at_stage(number * tableau.stages + stage):
                    slopes.append(self.f(time + tableau.c[stage] * length, point))
                self.nfe_forward += 1
            state = advance(state, [length * b for b in tableau.b], slopes)
            if number + 1 in grid.kept:
                found.append(state)
        return found
