"""Measures every way to differentiate an ODE network: memory, time, evaluations of f, and the gradient's error."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from torch import Tensor

from segbench.errors import UserError
from segbench.learning.weights import fill, read_trained
from segbench.meters.cuda_memory import measure_cuda_peaks
from segbench.meters.gradients import (
    Evaluations,
    SolverAndGradient,
    count_evaluations,
    ode_blocks,
    relative_error,
    using,
    valid_pairs,
)
from segbench.meters.live_bytes import measure_live_peaks
from segbench.meters.stopwatch import stopwatch_for
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.records.options import GradientsOptions
from segbench.tasks.outcome import is_out_of_memory
from segbench.tasks.protocol import Reporter
from segbench.tasks.timed import method_of
from segbench.workload.device import device_of
from segbench.workload.images import Batch
from segbench.workload.step import Workload, build_workload


def run(case: Case, report: Reporter) -> None:
    """Reports a set of rows for every valid pair of solver and gradient method, with these two among the factors.

    A step is forward, loss and backward, without the optimizer. With trained weights as `checkpoint` the error of an
    approximate method is that of the trained network.

    Raises:
        UserError: no ODE network, or no such method.
    """
    asked = case.options_as(GradientsOptions)
    pairs = valid_pairs(asked.solvers, asked.gradients)
    device = device_of(case)
    workload = build_workload(replace(case, optimizer="none"), device)
    ode_blocks(workload.network)
    if asked.checkpoint:
        path = Path(asked.checkpoint)
        fill(workload.network, read_trained(path), path)
    bench = _Bench(workload, workload.make_batch(), method_of(device))
    possible = []
    for number, pair in enumerate(pairs):
        refusal = None
        try:
            for row in bench.rows(pair):
                report.measured(row)
            possible.append(pair)
        except (UserError, RuntimeError) as error:
            refusal = bench.refused(pair, error)  # the error itself goes, and with it the tensors of its frames
        if refusal is not None:
            report.measured(refusal)
            workload.network.zero_grad(set_to_none=True)
        report.progress("method", number + 1, len(pairs))
    for row in bench.timed(possible, asked.rounds, report):
        report.measured(row)


@dataclass(frozen=True)
class _Bench:
    """One network and one batch for all pairs."""

    workload: Workload
    batch: Batch
    method: str

    def rows(self, pair: SolverAndGradient) -> Iterator[Measurement]:
        """Error, evaluations and memory of one pair.

        Raises:
            UserError: the network cannot, or the solver gives up.
        """
        workload = self.workload
        workload.network.train()
        with using(workload.network, pair):
            error = self._error(pair)
            workload.network.zero_grad(set_to_none=True)
            evaluations = count_evaluations(workload.network, lambda: workload.train_step(*self.batch))
            name, peak = self._peak()
        workload.network.zero_grad(set_to_none=True)
        yield error
        yield from self._evaluations(pair, evaluations)
        yield self._row(pair, name, peak)

    def timed(self, pairs: list[SolverAndGradient], rounds: int, report: Reporter) -> Iterator[Measurement]:
        """Seconds a step, in rounds over all pairs, so that what the machine does meanwhile hits all alike."""
        watch = stopwatch_for(self.workload.device)
        samples: dict[SolverAndGradient, list[float]] = {pair: [] for pair in pairs}
        for number in range(rounds):
            for pair in pairs:
                with using(self.workload.network, pair):
                    watch.start()
                    self.workload.train_step(*self.batch)
                    watch.lap("step")
                    samples[pair].append(watch.stop().total)
            report.progress("round", number + 1, rounds)
        for pair, seconds in samples.items():
            yield replace(self._row(pair, "train_step_s", median(seconds)), samples=tuple(seconds))

    def refused(self, pair: SolverAndGradient, error: Exception) -> Measurement:
        """The row of a pair that this network cannot use, or whose step does not fit the memory.

        Raises:
            RuntimeError: the error, if it is of neither kind.
        """
        if not isinstance(error, UserError) and not is_out_of_memory(error):
            raise error
        outcome = "unsupported" if isinstance(error, UserError) else "does_not_fit"
        cause = str(error).partition("\n")[0]
        return replace(self._row(pair, "gradient_relative_error", None, cause), outcome=outcome)

    def _error(self, pair: SolverAndGradient) -> Measurement:
        """None where there is no finite error, or no memory for the plain back-propagation it is taken against."""
        name = "gradient_relative_error"
        try:
            error = relative_error(self.workload.network, pair, lambda: self.workload.loss(*self.batch))
        except RuntimeError as failure:
            if not is_out_of_memory(failure):
                raise
            return self._row(pair, name, None, "no error: this or the reference, backprop, does not fit the memory")
        if not math.isfinite(error):
            return self._row(pair, name, None, f"the gradient's error is {error}")
        return self._row(pair, name, error)

    def _peak(self) -> tuple[str, int]:
        workload = self.workload

        def step() -> None:
            """Makes its own batch, so that the batch is part of the peak."""
            workload.train_step(*workload.make_batch())

        if workload.device.type == "cuda":
            peak = measure_cuda_peaks(step, workload.device, 1, 1).allocated
            # The bench's own batch lies there all the while, and a training would hold one only.
            return "train_peak_allocated_bytes", peak - sum(_allocated(tensor) for tensor in self.batch)
        return "train_peak_live_bytes", measure_live_peaks(workload.network, step, 1)[0].live

    def _evaluations(self, pair: SolverAndGradient, found: Evaluations) -> Iterator[Measurement]:
        for name, count in (("nfe_forward", found.forward), ("nfe_backward", found.backward)):
            yield replace(self._row(pair, name, count), method="counted")

    def _row(self, pair: SolverAndGradient, name: str, value: float | None, cause: str | None = None) -> Measurement:
        factors: dict[str, Json] = {"solver": pair.solver, "gradient": pair.gradient}
        detail = {"keeps": pair.keeps} if name == "gradient_relative_error" else {}
        return Measurement(name, value, self.method, "train", cause=cause, factors=factors, detail=detail)


_BLOCK = 512
"""The caching allocator hands out multiples of so many bytes (`kMinBlockSize` in CUDACachingAllocator)."""


def _allocated(tensor: Tensor) -> int:
    """Bytes that the tensor's storage takes of the caching allocator."""
    return -(-tensor.untyped_storage().nbytes() // _BLOCK) * _BLOCK
