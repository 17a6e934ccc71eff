"""The answer: what one step of a network needs on a CUDA device, from its log and the allocator's arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from segbench.estimate.allocator import Replay, replay
from segbench.estimate.attention_backends import Kernels
from segbench.estimate.log import Storage
from segbench.estimate.overheads import Overheads
from segbench.estimate.step import Steppable, Traced, trace_step
from segbench.estimate.timeline import Timeline, timeline

LARGEST = 10
"""So many of the largest tensors are named."""


@dataclass(frozen=True)
class Prediction:
    """What one step needs.

    Attributes:
        mode, batch: which step.
        live: most bytes of tensors alive at once.
        allocated: most bytes the caching allocator hands out, after rounding.
        reserved: most bytes of segments it holds.
        process: `reserved` and the context.
        warmup_allocated: allocated peak of the first step.
        context: bytes assumed for it.
        retries: under a limit, requests met only after the cache was released.
        parameters: trainable.
        breakdown: live bytes at the peak by role.
        modules: live bytes at the peak by top-level module.
        largest: largest storages alive at the peak.
        peak_phase, peak_operator, peak_module: where in the step the peak lies.
        timeline: bytes by role over the step.
        operators: dispatched while tracing; a copied step has none.
        assumptions: answers the trace had to invent for values it cannot know.
        warnings: known limits that this network meets.
        attention: which kernels attention took, and how often in the steps traced.
    """

    mode: str
    batch: int
    live: int
    allocated: int
    reserved: int
    warmup_allocated: int
    context: int
    retries: int
    parameters: int
    breakdown: dict[str, int]
    modules: dict[str, int]
    largest: tuple[Storage, ...]
    peak_phase: str
    peak_operator: str
    peak_module: str
    timeline: Timeline
    operators: int
    assumptions: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    attention: dict[str, int] = field(default_factory=dict)

    @property
    def process(self) -> int:
        return self.reserved + self.context


def predict_step(
    build: Callable[[], Steppable],
    mode: str,
    batch: int,
    overheads: Overheads | None = None,
    limit: int | None = None,
    nfe: int | None = None,
    kernels: Kernels | None = None,
) -> Prediction:
    """Memory of a training step or an inference on CUDA; no GPU and no memory is used.

    Args:
        build: makes the workload on the default device, which is `meta`.
        mode: `train` or `infer`.
        batch: images per step.
        overheads: context and workspaces.
        limit: most bytes the allocator may hold, if any.
        nfe: evaluations of f in an adaptive solver's forward solve.
        kernels: what decides between kernels of attention.

    Raises:
        OutOfMemory: the step does not fit under `limit`.
    """
    overheads = overheads or Overheads()
    traced = trace_step(build, mode, batch, overheads=overheads, nfe=nfe, kernels=kernels)
    return summarise(traced, mode, batch, replay(traced.log, limit), overheads)


def summarise(traced: Traced, mode: str, batch: int, result: Replay, overheads: Overheads) -> Prediction:
    """Puts together what the log and its replay say."""
    log = traced.log.without("workspaces")  # no tensors: part of what is reserved, not of what is live
    position, live = log.peak
    event = log.events[position] if log.events else 0
    newest = log.storages[abs(event) - 1] if event else None
    return Prediction(
        mode=mode,
        batch=batch,
        live=live,
        allocated=result.allocated_peak,
        reserved=result.reserved_peak,
        warmup_allocated=result.warmup_peak,
        context=overheads.context_bytes,
        retries=result.retries,
        parameters=traced.parameters,
        breakdown=log.breakdown(),
        modules=log.by_module(),
        largest=tuple(log.largest(LARGEST)),
        peak_phase=log.mark_at(position).phase,
        peak_operator=newest.operator if newest else "",
        peak_module=newest.module if newest else "",
        timeline=timeline(log),
        operators=traced.operators,
        assumptions=traced.assumptions,
        warnings=traced.warnings,
        attention=traced.attention,
    )
