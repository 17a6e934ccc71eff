"""f during one solve: counted, in the forward's precision, told its stage, and differentiated on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

from segbench.layers.norms import frozen_statistics
from segbench.layers.precision import Precision
from segbench.layers.stage import at_stage, current_stage
from segbench.ode.counts import Counts
from segbench.ode.cuda_graphs import CudaGraphs, Function, Outputs
from segbench.ode.state import State

Gradients = tuple[Tensor | None, ...]
"""One for each parameter of f that wants one, None where f did not use it."""


class Evaluator:
    """Calls f for a solver and its gradient method.

    Evaluations made after the forward solve has ended repeat something for its gradient: they count as backward, and
    batch norms inside f, also torch's own, leave their running statistics alone.
    Autocast is reopened around every call, because a backward pass runs outside of it and would otherwise solve another
    ODE than the forward pass; derivatives are brought back to the dtype of the state, which accumulates them.

    Args:
        f: `f(t, state) -> derivative`.
        state: initial state, for its dtypes and device.
        counts: sums that go up.
        share: of the batch that this solve concerns.
        graphs: replays f on CUDA instead of launching its kernels one by one.
    """

    def __init__(
        self,
        f: nn.Module,
        state: State,
        counts: Counts,
        share: Fraction = Fraction(1),
        graphs: CudaGraphs | None = None,
    ) -> None:
        self._f = f
        self._counts = counts
        self._share = share
        self._graphs = graphs
        self._precision = Precision.around(state[0])
        self._dtypes = tuple(part.dtype for part in state)
        self._ended = False
        self._looking = False

    @cached_property
    def parameters(self) -> tuple[Tensor, ...]:
        """Those of f that want a gradient; collected only where one is taken, since an inference would feel it."""
        return tuple(parameter for parameter in self._f.parameters() if parameter.requires_grad)

    @contextmanager
    def forward_solve(self) -> Iterator[None]:
        """Open while the forward solve runs; what comes later is repetition."""
        try:
            yield
        finally:
            self._ended = True

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Open while f is evaluated only to find something out: it counts, but batch norms are not updated."""
        self._looking = True
        try:
            yield
        finally:
            self._looking = False

    def __call__(self, time: float | Tensor, state: State, stage: int = 0) -> State:
        """The derivative; with a graph if gradients are on."""
        with self._announced(stage):
            if torch.is_grad_enabled():
                return self._derivative(time, state)
            return self._run(self._derivative, time, state)

    def record(self, time: float | Tensor, state: State, stage: int = 0) -> Recording:
        """An evaluation whose cotangent can be pulled back later."""
        with self._announced(stage):
            return self._record(time, state)

    def vjp(
        self, time: float | Tensor, state: State, cotangent: State, stage: int = 0
    ) -> tuple[State, State, Gradients]:
        """The derivative, and its cotangent pulled back to the state and to the parameters."""
        with self._announced(stage):
            found = self._run(self._value_and_pull, time, state + cotangent)
        parts = len(state)
        return found[:parts], found[parts : 2 * parts], found[2 * parts :]

    def step_ended(self, *, accepted: bool) -> None:
        """An adaptive solver's report; those of backward and of repeated solves are not counted."""
        if self._ended or current_stage().recomputing:
            return
        if accepted:
            self._counts.accepted += self._share
        else:
            self._counts.rejected += self._share

    @contextmanager
    def _announced(self, stage: int) -> Iterator[None]:
        """Counts an evaluation and tells the norms about it."""
        repeated = self._ended or current_stage().recomputing
        if repeated:
            self._counts.backward += self._share
        else:
            self._counts.forward += self._share
        with at_stage(stage), frozen_statistics(self._f) if repeated or self._looking else nullcontext():
            yield

    def _run(self, function: Function, time: float | Tensor, tensors: State) -> Outputs:
        if self._graphs is None:
            return function(time, tensors)
        conditions = (function.__name__, self._f.training, current_stage().recomputing, self._precision)
        return self._graphs.replay(conditions, function, time, tensors)

    def _derivative(self, time: float | Tensor, state: State) -> State:
        return self._slopes(self._f, time, state)

    def _slopes(self, f: Callable[[float | Tensor, State], State], time: float | Tensor, state: State) -> State:
        with self._precision.reopened(cache=torch.is_grad_enabled() and self._graphs is None):
            slopes = f(time, state)
        return tuple(slope.to(dtype) for slope, dtype in zip(slopes, self._dtypes, strict=True))

    def _record(self, time: float | Tensor, state: State) -> Recording:
        with torch.enable_grad():
            inputs = tuple(part.detach().requires_grad_() for part in state)
            return Recording(inputs, self.parameters, self._derivative(time, inputs))

    def _record_on_aliases(self, time: float | Tensor, state: State) -> Recording:
        """As `_record`, differentiated with respect to fresh aliases of the parameters, in the same memory.

        `_Solve` made the parameters' own AccumulateGrad nodes on the stream of the forward pass. A captured
        `torch.autograd.grad` that reached them would make that stream wait for the capturing one, which ends the
        capture (cudaErrorStreamCaptureImplicit, pytorch/pytorch#164302).
        """
        with torch.enable_grad():
            inputs = tuple(part.detach().requires_grad_() for part in state)
            aliases = {
                name: parameter.detach().requires_grad_()
                for name, parameter in self._f.named_parameters()
                if parameter.requires_grad
            }
            f = partial(_called_with, self._f, aliases)
            return Recording(inputs, tuple(aliases.values()), self._slopes(f, time, inputs))

    def _value_and_pull(self, time: float | Tensor, tensors: State) -> Outputs:
        """From state and cotangent, end to end, to derivative, state's cotangent and gradients, end to end."""
        parts = len(tensors) // 2
        record = self._record if self._graphs is None else self._record_on_aliases
        recording = record(time, tensors[:parts])
        pulled, gradients = recording.pull(tensors[parts:])
        return *recording.derivative, *pulled, *gradients


def _called_with(f: nn.Module, parameters: dict[str, Tensor], time: float | Tensor, state: State) -> State:
    found: State = functional_call(f, parameters, (time, state))
    return found


@dataclass(frozen=True)
class Recording:
    """One evaluation of f with its graph."""

    inputs: State
    parameters: tuple[Tensor, ...]
    slopes: State

    @property
    def derivative(self) -> State:
        return tuple(slope.detach() for slope in self.slopes)

    def pull(self, cotangent: State) -> tuple[State, Gradients]:
        """Cotangents of the state and gradients of the parameters; once, since it frees the graph."""
        pairs = [(k, c) for k, c in zip(self.slopes, cotangent, strict=True) if k.requires_grad]
        sources = self.inputs + self.parameters
        found = torch.autograd.grad([k for k, _ in pairs], sources, [c for _, c in pairs], allow_unused=True)
        parts = len(self.inputs)
        state = tuple(torch.zeros_like(x) if g is None else g for x, g in zip(self.inputs, found[:parts], strict=True))
        return state, found[parts:]


class GradientSum:
    """Parameter gradients of several evaluations, summed as they come so that there is one set and not one for each."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.total: list[Tensor | None] = [None] * len(evaluator.parameters)

    def add(self, gradients: Gradients, factor: float = 1.0) -> None:
        for index, gradient in enumerate(gradients):
            if gradient is not None:
                self.total[index] = _sum(self.total[index], gradient, factor)


def _sum(total: Tensor | None, gradient: Tensor, factor: float) -> Tensor:
    """Never in place: autograd may hand out one tensor as the gradient of two parameters, or of a state."""
    if total is not None:
        return torch.add(total, gradient, alpha=factor)
    return gradient if factor == 1.0 else factor * gradient
