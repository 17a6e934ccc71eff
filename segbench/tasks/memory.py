"""Measures the peak memory of a training step or an inference in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from segbench.adaptive.run import costs_vary
from segbench.meters.cuda_memory import bytes_used_by_others, limit_memory, measure_cuda_peaks
from segbench.meters.live_bytes import measure_live_peaks
from segbench.meters.process_memory import peak_rss_bytes
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.records.options import MemoryOptions
from segbench.tasks.outputs import tell_outputs
from segbench.tasks.parameters import tell_parameters
from segbench.tasks.protocol import Reporter
from segbench.units import MIB
from segbench.workload.device import device_of
from segbench.workload.step import Workload, build_workload, check_classes

_MEASURED_STEPS = {"cpu": 1, "cuda": 2}
"""Bytes on the CPU are exact and the same in every step once the optimizer has its state; a caching allocator's second
step can still split what its first one left."""
NO_MOMENTA = (
    "every step was skipped, as its fp16 gradients overflowed: the optimizer has no state, and its bytes are missing; "
    "measure in bf16, or train longer before"
)
_QUIET_BYTES = 64 * MIB
"""Less than this on a GPU is the display's or the driver's own; more is somebody else's work."""


def run(case: Case, report: Reporter) -> None:
    """Reports every memory quantity of each of the case's modes.

    Each mode's process peak includes the modes before it: ask for one mode a case to have it alone.
    """
    options = case.options_as(MemoryOptions)
    options.require_sensible()
    if options.shares:
        from segbench.tasks.ranks import by_ranks  # torch's distributed parts, which few cases need

        by_ranks(run_here, case, report)
    else:
        run_here(case, report)


def run_here(case: Case, report: Reporter) -> None:
    """`run` in this process, which may be one of several that have joined."""
    device, options = device_of(case), case.options_as(MemoryOptions)
    workload = build_workload(case, device)
    tell_parameters(workload.network, case, report)
    if costs_vary(workload.network):
        report.note(
            f"{case.model}: what it computes depends on the images, and so does its peak; these are {_images(case)}"
        )
    if options.shares:
        from segbench.workload.sharing import share

        workload = share(workload, options.strategy, options.ranks)
    for mode in case.modes:
        step = _step(workload, mode, report)
        rows = _on_cuda(workload, mode, step, report) if device.type == "cuda" else _on_cpu(case, mode, step, workload)
        for row in rows:
            report.measured(row)
    tell_outputs(workload.outputs, case, report)


def _images(case: Case) -> str:
    return f"of {case.dataset}" if case.dataset else "random numbers; -d takes real ones"


def _step(workload: Workload, mode: str, report: Reporter) -> Callable[[], None]:
    """One step that makes its own batch, so that the batch is part of the peak."""
    case, done = workload.case, 0

    def train() -> None:
        workload.train_step(*workload.make_batch(case.batch_size))

    def infer() -> None:
        images = workload.make_batch(case.infer_batch)[0]  # the labels go before the network runs
        check_classes(workload, workload.infer(images))

    def step() -> None:
        nonlocal done
        (train if mode == "train" else infer)()
        done += 1
        report.progress(mode, done, case.warmup + _MEASURED_STEPS[workload.device.type])

    return step


def _factors(case: Case, mode: str) -> dict[str, int]:
    return {"batch_size": case.batch_size if mode == "train" else case.infer_batch}


def _on_cpu(case: Case, mode: str, step: Callable[[], None], workload: Workload) -> Iterator[Measurement]:
    def prepare() -> None:
        if mode == "train":
            workload.prepare(step_too=not case.warmup)

    peaks = measure_live_peaks(workload.network, step, case.warmup + _MEASURED_STEPS["cpu"], prepare)
    rss = peak_rss_bytes()
    factors = _factors(case, mode)

    def row(name: str, value: int, samples: tuple[int, ...] = ()) -> Measurement:
        return Measurement(f"{mode}_{name}", value, "measured:host", mode=mode, samples=samples, factors=factors)

    first, steady = peaks[: case.warmup], peaks[case.warmup :]
    yield row("peak_live_bytes", max(peak.live for peak in steady), tuple(peak.live for peak in steady))
    yield row("kernel_scratch_bytes", max(peak.scratch for peak in steady))
    if first:
        yield row("first_step_peak_bytes", max(peak.live for peak in first))
    yield row("peak_process_bytes", rss)


def _on_cuda(workload: Workload, mode: str, step: Callable[[], None], report: Reporter) -> Iterator[Measurement]:
    case, device = workload.case, workload.device
    if case.budget_bytes:
        limit_memory(case.budget_bytes, device, case.options_as(MemoryOptions).context_bytes or 0)
    others = bytes_used_by_others(device)
    if others is not None and others > _QUIET_BYTES:
        report.note(f"other programs hold {others / MIB:.0f} MiB of the GPU; close them for a quiet measurement")

    def is_warm() -> bool:
        return mode == "infer" or not workload.awaits_momenta

    peaks = measure_cuda_peaks(step, device, case.warmup, _MEASURED_STEPS["cuda"], is_warm)
    if not is_warm():
        report.note(NO_MOMENTA)
    factors = _factors(case, mode)
    detail: dict[str, Json] = {"allocator_retries": peaks.retries}

    def row(name: str, value: int | None, method: str = "measured:cuda", cause: str | None = None) -> Measurement:
        return Measurement(f"{mode}_{name}", value, method, mode=mode, cause=cause, factors=factors, detail=detail)

    yield row("peak_allocated_bytes", peaks.allocated)
    yield row("peak_reserved_bytes", peaks.reserved)
    process = row("peak_process_bytes", peaks.process, "measured:nvml", peaks.process_cause)
    if peaks.process_how:
        report.note(f"process memory: {peaks.process_how}")
        process = replace(process, detail={**detail, "how": peaks.process_how})
    yield process
    if peaks.first_allocated is not None:
        yield row("first_step_peak_bytes", peaks.first_allocated)
