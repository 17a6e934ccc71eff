"""What a gradient method costs and how right it is: one forward and backward pass of an ODE network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from segbench.errors import UnknownName, UserError
from segbench.ode.block import ODEBlock
from segbench.ode.gradient_error import gradient_relative_error
from segbench.ode.methods import GRADIENT_METHODS, SCHEMES


@dataclass(frozen=True)
class SolverAndGradient:
    """A solver and a way to differentiate it."""

    solver: str
    gradient: str

    @property
    def keeps(self) -> str:
        """What lies in memory between forward and backward pass."""
        return GRADIENT_METHODS[self.solver][self.gradient].stored


@dataclass(frozen=True)
class Evaluations:
    """Of f in one forward and one backward pass, all ODE blocks together."""

    forward: float
    backward: float


USUAL_SOLVERS = (*SCHEMES, "dopri5")
"""Every fixed grid, and one adaptive solver for all: the others are differentiated in the same ways, and take as long
again each."""


def valid_pairs(solvers: Sequence[str] = (), gradients: Sequence[str] = ()) -> list[SolverAndGradient]:
    """The pairs of `segbench.ode.methods.METHODS` with one of these solvers and one of these gradient methods.

    Args:
        solvers: none for `USUAL_SOLVERS`, or for every one where gradient methods are named.
        gradients: none for all.

    Raises:
        UnknownName: no such solver or gradient method.
        UserError: none of them go together.
    """
    solvers = solvers or ((*GRADIENT_METHODS,) if gradients else USUAL_SOLVERS)
    known = {
        "solver": set(GRADIENT_METHODS),
        "gradient method": {name for methods in GRADIENT_METHODS.values() for name in methods},
    }
    for kind, names in (("solver", solvers), ("gradient method", gradients)):
        for name in names:
            if name not in known[kind]:
                raise UnknownName(kind, name, known[kind])
    found = [
        SolverAndGradient(solver, gradient)
        for solver, methods in GRADIENT_METHODS.items()
        for gradient in methods
        if solver in solvers and (not gradients or gradient in gradients)
    ]
    if not found:
        goes = "; ".join(f"{solver} goes with {', '.join(GRADIENT_METHODS[solver])}" for solver in solvers)
        raise UserError(f"{', '.join(gradients)} and {', '.join(solvers)} do not go together; {goes}")
    return found


def ode_blocks(network: nn.Module) -> list[ODEBlock]:
    """The network's ODE blocks.

    Raises:
        UserError: it has none.
    """
    blocks = [module for module in network.modules() if isinstance(module, ODEBlock)]
    if not blocks:
        raise UserError(f"{type(network).__name__} has no ODE block; gradient methods are for ODE networks (segnode)")
    return blocks


@contextmanager
def using(network: nn.Module, pair: SolverAndGradient) -> Iterator[None]:
    """Every ODE block solves and differentiates so while this is open.

    Raises:
        UserError: the network cannot; the sentence says why.
    """
    blocks = ode_blocks(network)
    before = [(block.solver, block.gradient) for block in blocks]
    try:
        for block in blocks:
            block.use(solver=pair.solver, gradient=pair.gradient)
        yield
    finally:
        for block, (solver, gradient) in zip(blocks, before, strict=True):
            block.use(solver=solver, gradient=gradient)


def count_evaluations(network: nn.Module, step: Callable[[], object]) -> Evaluations:
    """Runs a step, and counts the evaluations of f in its two passes."""
    blocks = ode_blocks(network)
    for block in blocks:
        block.reset_nfe()
    step()
    return Evaluations(sum(block.nfe_forward for block in blocks), sum(block.nfe_backward for block in blocks))


def relative_error(network: nn.Module, pair: SolverAndGradient, loss: Callable[[], Tensor]) -> float:
    """The gradient's error against plain back-propagation through the same solver, which itself has none."""
    return 0.0 if pair.gradient == "backprop" else gradient_relative_error(network, loss)
