"""Where in a solve the current evaluation of f stands: set by the ode room, read by the norms inside f.

The value lives in a `ContextVar`, so it nests (an ODE inside f, a checkpoint inside a solve) and each thread has its
own: autograd runs backward passes on CUDA in threads of its own, and DDP's processes share nothing anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One evaluation's place.

    Attributes:
        index: number of the evaluation within the forward solve, from 0 (step * stages of a step + stage); 0 outside
            of any solve and in adaptive solvers.
        recomputing: the evaluation repeats an earlier one for its gradient, so statistics must not be updated again.
    """

    index: int = 0
    recomputing: bool = False


_OUTSIDE = Stage()
_CURRENT: ContextVar[Stage] = ContextVar("stage")


def current_stage() -> Stage:
    """The innermost open stage; index 0 and not recomputing outside of any."""
    return _CURRENT.get(_OUTSIDE)


@contextmanager
def at_stage(index: int | None = None, *, recomputing: bool = False) -> Iterator[None]:
    """Opens a stage; whatever repeats inside a repetition is a repetition too.

    Args:
        index: the stage's number; None keeps the outer one.
        recomputing: whether statistics must stay as they are.
    """
    outer = current_stage()
    token = _CURRENT.set(Stage(outer.index if index is None else index, recomputing or outer.recomputing))
    try:
        yield
    finally:
        _CURRENT.reset(token)
