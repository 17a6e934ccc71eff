"""Explicit Runge-Kutta schemes as their coefficients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tableau:
    """`k_i = f(t + c_i dt, y + dt sum_j a_ij k_j)`, `y' = y + dt sum_i b_i k_i`.

    Attributes:
        a: row i has the i coefficients of the stages before it.
        b: weights of the stages.
        c: their times, in steps.
        order: of the error at the end of the interval, in the step.
    """

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    c: tuple[float, ...]
    order: int

    @property
    def stages(self) -> int:
        """Evaluations of f in a step."""
        return len(self.b)


FIXED = {
    "euler": Tableau(a=((),), b=(1.0,), c=(0.0,), order=1),
    "midpoint": Tableau(a=((), (1 / 2,)), b=(0.0, 1.0), c=(0.0, 1 / 2), order=2),
    "heun": Tableau(a=((), (1.0,)), b=(1 / 2, 1 / 2), c=(0.0, 1.0), order=2),
    "rk4": Tableau(
        a=((), (1 / 3,), (-1 / 3, 1.0), (1.0, -1.0, 1.0)),
        b=(1 / 8, 3 / 8, 3 / 8, 1 / 8),
        c=(0.0, 1 / 3, 2 / 3, 1.0),
        order=4,
    ),
}
"""Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", section II.1.

`heun` is the trapezoidal rule torchdiffeq calls heun2, `rk4` is Kutta's 3/8 rule as in torchdiffeq (the classical rule
has the same order and cost): so a gradient method that leaves the solving to torchdiffeq never changes the result.
"""
