"""Finding the steps of an adaptive Runge-Kutta solve, over tuples and without gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torchdiffeq._impl.odeint import SOLVERS

from segbench.errors import UserError
from segbench.ode.evaluator import Evaluator
from segbench.ode.grid import TimeGrid
from segbench.ode.runge_kutta import RungeKutta
from segbench.ode.state import State, advance, combined
from segbench.ode.tableaus import Tableau
from segbench.ode.tolerance import MOST_STEPS, Tolerance

_SAFETY, _GROWTH, _SHRINKAGE = 0.9, 10.0, 0.2
"""Step control as in torchdiffeq: aim a little below the tolerance, change the step by no more than these."""

_TINY = 1e-10
"""A step below this part of the way means that no step is small enough."""


@dataclass(frozen=True)
class Embedded:
    """A Runge-Kutta scheme with an error estimate.

    Attributes:
        scheme: without a last stage that only serves the estimate.
        error: weights of the slopes in the error of a step of length 1; one more than stages where that last stage,
            the slope at the step's end, belongs to it (and can start the next step).
    """

    scheme: RungeKutta
    error: tuple[float, ...]

    @property
    def first_same_as_last(self) -> bool:
        return len(self.error) > self.scheme.tableau.stages


@cache
def embedded_scheme(solver: str) -> Embedded:
    """The coefficients that torchdiffeq has under this name, so that it and we step alike.

    One difference: torchdiffeq starts each step of adaptive_heun and fehlberg2 with the last slope of the step before,
    although these two schemes do not evaluate it at the new point; we evaluate f there.
    """
    kind = SOLVERS[solver]
    rows = tuple(tuple(row.tolist()) for row in kind.tableau.beta)
    times = (0.0, *kind.tableau.alpha.tolist())
    weights = tuple(kind.tableau.c_sol.tolist())
    spare = int(weights[-1] == 0.0 and weights[:-1] == rows[-1])
    stages = len(weights) - spare
    tableau = Tableau(((), *rows)[:stages], weights[:stages], times[:stages], kind.order)
    return Embedded(RungeKutta(tableau), tuple(kind.tableau.c_error.tolist()))


@torch.no_grad()
def find_grid(
    embedded: Embedded, f: Evaluator, state: State, times: Sequence[float], tolerance: Tolerance
) -> tuple[TimeGrid, list[State]]:
    """The accepted steps from 0 through each of the times, and the states at these.

    Raises:
        UserError: the tolerance cannot be met.
    """
    points, kept, states = [0.0], list[int](), list[State]()
    for time, reached in _steps(embedded, f, state, times, tolerance):
        points.append(time)
        if time == times[len(kept)]:
            kept.append(len(points) - 1)
            states.append(reached)
    return TimeGrid(tuple(points), tuple(kept)), states


def _steps(
    embedded: Embedded, f: Evaluator, state: State, times: Sequence[float], tolerance: Tolerance
) -> Iterator[tuple[float, State]]:
    """Times and states after each accepted step; a step never passes a wanted time."""
    order = embedded.scheme.tableau.order
    first = f(0.0, state)
    slope: State | None = first
    length = _first_step(f, state, first, order, tolerance)
    time = 0.0
    for goal in times:
        tried = 0
        while time < goal:
            tried += 1
            step = min(length, goal - time)
            if tried > MOST_STEPS or not step > _TINY * goal:
                raise UserError(
                    f"no step is small enough at t = {time:g} for rtol {tolerance.rtol:g} and atol {tolerance.atol:g};"
                    " loosen them, shorten t_end, or take a fixed grid such as euler"
                )
            slope = f(time, state) if slope is None else slope
            end, last, error = _try_step(embedded, f, time, step, state, slope)
            ratio = _ratio(error, state, end, tolerance)
            f.step_ended(accepted=ratio <= 1)
            if ratio <= 1:
                time, state = (goal if step == goal - time else time + step), end
                slope = last if embedded.first_same_as_last else None
                yield time, state
            if ratio > 1 or step == length:
                length = step * _factor(ratio, order)


def _try_step(
    embedded: Embedded, f: Evaluator, time: float, length: float, state: State, slope: State
) -> tuple[State, State, State]:
    """The state at the step's end, the last slope, and the error; `slope` is f at the start."""
    tableau = embedded.scheme.tableau
    slopes = [slope]
    for row, c in zip(tableau.a[1:], tableau.c[1:], strict=True):
        slopes.append(f(time + c * length, advance(state, [length * a for a in row], slopes)))
    end = advance(state, [length * b for b in tableau.b], slopes)
    if embedded.first_same_as_last:
        slopes.append(f(time + length, end))
    error = combined([length * weight for weight in embedded.error], slopes)
    assert error is not None
    return end, slopes[-1], error


def _ratio(error: State, start: State, end: State, tolerance: Tolerance) -> float:
    """Error over what is allowed; infinite where it is not a number."""
    ratios = [
        e / (tolerance.atol + tolerance.rtol * torch.maximum(a.abs(), b.abs()))
        for e, a, b in zip(error, start, end, strict=True)
    ]
    ratio = _norm(tuple(ratios))
    return ratio if math.isfinite(ratio) else math.inf


def _norm(state: State) -> float:
    """Root mean square over a part, largest over the parts: torchdiffeq's norm of tuples."""
    return float(torch.stack([part.double().square().mean().sqrt() for part in state]).max())


def _factor(ratio: float, order: int) -> float:
    if ratio == 0:
        return _GROWTH
    shrinkage = 1.0 if ratio < 1 else _SHRINKAGE
    return min(_GROWTH, max(_SAFETY * math.pow(ratio, -1 / order), shrinkage))


def _first_step(f: Evaluator, state: State, slope: State, order: int, tolerance: Tolerance) -> float:
    """Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", section II.4; one more evaluation."""

    def size(parts: State) -> float:
        pairs = zip(parts, state, strict=True)
        return _norm(tuple(part / (tolerance.atol + tolerance.rtol * y.abs()) for part, y in pairs))

    d0, d1 = size(state), size(slope)
    guess = 1e-6 if min(d0, d1) < 1e-5 else 0.01 * d0 / d1
    ahead = f(guess, advance(state, [guess], [slope]))
    d2 = size(advance(ahead, [-1.0], [slope])) / guess
    steepest = max(d1, d2)
    better = max(1e-6, guess * 1e-3) if steepest <= 1e-15 else (0.01 / steepest) ** (1 / order)
    return min(100 * guess, better)
