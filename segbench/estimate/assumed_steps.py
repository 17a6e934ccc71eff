"""Adaptive solvers on `meta`: how many steps they take is stated, for the data that would decide it is not there.

With an adjoint the peak hardly depends on the number of steps; with back-propagation through the solver it is
proportional to it. The number of evaluations comes from a small real run, whose solver counts them.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch

from segbench.errors import UserError
from segbench.estimate.mirrors import Mirrors
from segbench.estimate.replacing import replaced

ASSUMED_STEPS = 3
"""Where nothing is stated; from three steps on, the peak of a solve without a graph does not change."""
UNSTATED = (
    f"an adaptive solver was taken to make {ASSUMED_STEPS} steps; memory grows with them unless the gradient is an "
    "adjoint: state the evaluations of f in a forward solve with --nfe"
)
Evaluating = Callable[[Callable[..., Any]], Callable[..., Any]]
_BEYOND = 1 + 1e-9
"""Steps are this much longer than a whole part of the way, so that rounding adds none."""
_BEFORE_STEPS = 2
"""Evaluations of f for the choice of the first step."""


@contextlib.contextmanager
def assuming_steps(
    nfe: int | None, mirrors: Mirrors, warn: Callable[[str], None], evaluating: Evaluating
) -> Iterator[None]:
    """Within it adaptive solves of torchdiffeq and of `segbench.ode` take equal steps, about `nfe` evaluations in all.

    The error estimates and the first step's choice are still carried out, for the memory they take.

    Args:
        nfe: evaluations of f in an adaptive solve, for `aca` in its search alone; None takes `ASSUMED_STEPS` steps,
            which is said in a warning.
        mirrors: its assumptions are not noted where they are replaced.
        warn: told where an adaptive solver met no statement.
        evaluating: gives what stands for f in a solve of torchdiffeq, which evaluates it again and again.

    Raises:
        UserError: this release of torchdiffeq is built otherwise, so that its steps cannot be stated.
    """
    assumed = _AssumedSteps(nfe, mirrors, warn, evaluating)
    with contextlib.ExitStack() as stack:
        torchdiffeqs = sys.modules.get("torchdiffeq._impl.rk_common")
        if torchdiffeqs is not None:
            _require_known(torchdiffeqs)
            solver = torchdiffeqs.RKAdaptiveStepsizeODESolver
            stack.enter_context(replaced(solver, "integrate", assumed.within_torchdiffeq))
            stack.enter_context(replaced(solver, "_before_integrate", assumed.before_torchdiffeq))
            stack.enter_context(_assuming_module(torchdiffeqs, "_select_initial_step", "_compute_error_ratio", assumed))
        own = sys.modules.get("segbench.ode.adaptive_grid")
        if own is not None:
            stack.enter_context(replaced(own, "_steps", assumed.within_own))
            stack.enter_context(_assuming_module(own, "_first_step", "_ratio", assumed))
        yield


KNOWN_RELEASE = "0.2.5"
_CALLED_WITH = {
    "RKAdaptiveStepsizeODESolver.integrate": ("self", "t"),
    "RKAdaptiveStepsizeODESolver._before_integrate": ("self", "t"),
    "_select_initial_step": ("func", "t0", "y0", "order", "rtol", "atol", "norm", "f0"),
    "_compute_error_ratio": ("error_estimate", "rtol", "atol", "y0", "y1", "norm"),
}
"""Of `torchdiffeq._impl.rk_common`, what is replaced here; no public function lets every solver's steps be stated."""


def _require_known(torchdiffeqs: ModuleType) -> None:
    """Refuses a torchdiffeq whose inner functions are not the ones that are replaced here."""
    for name, parameters in _CALLED_WITH.items():
        function: Any = torchdiffeqs
        for part in name.split("."):
            function = getattr(function, part, None)
        if function is None or tuple(inspect.signature(function).parameters) != parameters:
            raise UserError(
                f"torchdiffeq is built otherwise than release {KNOWN_RELEASE}: {torchdiffeqs.__name__}.{name} is not "
                f"the function that was known, so that the memory of its solvers cannot be predicted; install "
                f"torchdiffeq=={KNOWN_RELEASE}, or measure on the device"
            )


@dataclass
class _Solve:
    """A solve under way: the length of its steps until it has been told, and the error ratio that keeps them."""

    length: Any
    steady: float


class _AssumedSteps:
    """The solves under way, of which an inner one may be a part of evaluating an outer one's f."""

    def __init__(self, nfe: int | None, mirrors: Mirrors, warn: Callable[[str], None], evaluating: Evaluating) -> None:
        self._nfe, self._mirrors, self._warn, self._evaluating = nfe, mirrors, warn, evaluating
        self._solves: list[_Solve] = []

    def within_torchdiffeq(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def integrate(solver: Any, times: torch.Tensor) -> Any:
            with self._until_its_end():
                solver.func = self._evaluating(solver.func)
                return original(solver, times)

        return integrate

    def before_torchdiffeq(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def before(solver: Any, times: torch.Tensor) -> Any:
            self._start(times[-1] - times[0], len(solver.tableau.alpha), solver.order)
            return original(solver, times)

        return before

    def within_own(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def steps(embedded: Any, f: Any, state: Any, times: Any, tolerance: Any) -> Iterator[Any]:
            tableau = embedded.scheme.tableau
            with self._until_its_end():
                self._start(times[-1], tableau.stages, tableau.order)
                yield from original(embedded, f, state, times, tolerance)

        return steps

    def first_step(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def choose(*args: Any, **kwargs: Any) -> Any:
            solve = self._solves[-1]
            length, solve.length = solve.length, None  # what is kept would count as the network's
            return _instead(self._unnoted(original, *args, **kwargs), length)

        return choose

    def error_ratio(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def estimate(*args: Any, **kwargs: Any) -> Any:
            return _instead(self._unnoted(original, *args, **kwargs), self._solves[-1].steady)

        return estimate

    def _start(self, way: Any, evaluations: int, order: int) -> None:
        """A solve over `way` begins. An error ratio of 0.9 ** order keeps the step as it is (safety factor 0.9)."""
        if self._nfe is None:
            self._warn(UNSTATED)
        steps = ASSUMED_STEPS if self._nfe is None else max(1, round((self._nfe - _BEFORE_STEPS) / evaluations))
        self._solves.append(_Solve(way / steps * _BEYOND, 0.9**order))

    @contextlib.contextmanager
    def _until_its_end(self) -> Iterator[None]:
        depth = len(self._solves)
        try:
            yield
        finally:
            del self._solves[depth:]

    def _unnoted(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        before = self._mirrors.assumptions.copy()
        found = original(*args, **kwargs)
        self._mirrors.assumptions = before
        return found


def _instead(computed: Any, stated: Any) -> Any:
    """The stated value in the computed one's form."""
    if isinstance(computed, torch.Tensor):
        return _Instead.apply(computed, stated)  # type: ignore[no-untyped-call]
    return float(stated)


class _Instead(torch.autograd.Function):
    """A stated value in place of a computed one, whose graph is kept as if it had been used."""

    @staticmethod
    def forward(_ctx: Any, computed: torch.Tensor, stated: float | torch.Tensor) -> torch.Tensor:
        if isinstance(stated, torch.Tensor):
            return stated.to(computed.dtype).clone()
        return torch.full_like(computed, stated)

    @staticmethod
    def backward(_ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None


@contextlib.contextmanager
def _assuming_module(module: ModuleType, first_step: str, error_ratio: str, assumed: _AssumedSteps) -> Iterator[None]:
    with replaced(module, first_step, assumed.first_step), replaced(module, error_ratio, assumed.error_ratio):
        yield
