"""Tells what a network's memory optimisations save in training, for how many operations, and how exact they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from statistics import median

from segbench.cards.model import find_model
from segbench.cards.spec import BUDGET
from segbench.errors import UserError
from segbench.estimate.allocator import replay
from segbench.memory_optimisations.switches import changes_of, is_exact
from segbench.meters.cuda_memory import measure_cuda_peaks
from segbench.meters.live_bytes import measure_live_peaks
from segbench.meters.savings import extra_macs, savings_error
from segbench.meters.stopwatch import stopwatch_for
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.records.options import SavingsOptions
from segbench.tasks.budget import settle
from segbench.tasks.predict import predicting, traced_step
from segbench.tasks.protocol import Reporter
from segbench.tasks.timed import method_of
from segbench.workload.device import device_of
from segbench.workload.step import Workload, build_workload

_SMALL: dict[str, Json] = {"width": 64, "height": 64, "batch_size": 2}
"""The instance on which gradients are compared and operations counted: the network itself on small images, on the CPU.

Both are shares. That of operations hardly depends on the size; errors of inexact switches shrink as images grow, since
more of them are averaged: by 2 from 64x64 to 128x128 (our measurement, HRNetV2 and SegNode as drawn)."""


def run(case: Case, report: Reporter) -> None:
    """Reports predicted memory, extra operations and the gradient's error; on a device memory and time of a step too.

    What a network's switches refuse is the answer of this case, as is a budget that cannot be met.

    Raises:
        UserError: the network cannot be trained, with or without switches.
    """
    try:
        settled = _settled(case, report)
        small = _small(settled)
    except UserError as error:
        if not find_model(case.model).optimisations:
            raise
        name = case.kind.quantity("train")
        report.measured(Measurement(name, None, "predicted", "train", outcome="unsupported", cause=str(error)))
        return
    for row in _predicted(settled):
        report.measured(row)
    report.progress("prediction", 1, 3)
    for row in _on_small(small, settled):
        report.measured(row)
    report.progress("gradients", 2, 3)
    if case.device != "none":
        for row in _measured(settled):
            report.measured(row)
    report.progress("steps", 3, 3)


def _settled(case: Case, report: Reporter) -> Case:
    if BUDGET not in case.model:
        return case
    settled = settle(case)
    report.note(settled.sentence)
    return settled.case


def _small(case: Case) -> Workload:
    """On small images; where the network takes none of them, on as many of the case's own size."""
    plain = replace(case, device="cpu", precision="fp32", optimizer="none", dataset=None, channels_last=False)
    try:
        workload = build_workload(replace(plain, **_SMALL), "cpu")
        workload.infer(workload.make_batch(1)[0])
    except Exception:  # a fixed input size: whatever its code raises; what it refuses for another reason, it does again
        return build_workload(replace(plain, batch_size=_SMALL["batch_size"]), "cpu")
    return workload


def _predicted(case: Case) -> Iterator[Measurement]:
    """Live bytes; for CUDA also what the allocator holds. None with the reason where the trace cannot tell."""
    try:
        log = traced_step(predicting(case), "train", case.batch_size).log
    except UserError as error:
        yield Measurement("train_peak_live_bytes", None, "predicted", "train", cause=f"not predicted: {error}")
        return
    yield Measurement("train_peak_live_bytes", log.without("workspaces").peak[1], "predicted", "train")
    if case.device != "cpu":
        yield Measurement("train_peak_reserved_bytes", replay(log).reserved_peak, "predicted", "train")


def _on_small(workload: Workload, case: Case) -> Iterator[Measurement]:
    workload.network.train()
    batch = workload.make_batch()
    written = find_model(case.model).optimisations
    size: dict[str, Json] = {name: getattr(workload.case, name) for name in _SMALL}
    detail: dict[str, Json] = {"exact": is_exact(written), "changes": changes_of(written)}

    def row(name: str, value: float, method: str) -> Measurement:
        return Measurement(name, value, method, "train", factors=size, detail=detail)

    error = savings_error(workload.network, lambda: workload.loss(*batch))
    yield row("gradient_relative_error", error, "measured:host")
    yield row("extra_macs", extra_macs(workload.network, lambda: workload.loss(*batch)), "counted")


def _measured(case: Case) -> Iterator[Measurement]:
    """Memory of a step that makes its own batch, then the time of each of some more."""
    device, method = device_of(case), method_of(device_of(case))
    workload = build_workload(case, device)

    def step() -> None:
        workload.train_step(*workload.make_batch())

    if device.type == "cuda":
        peaks = measure_cuda_peaks(step, device, 2, 1)
        found = {"train_peak_reserved_bytes": peaks.reserved, "train_peak_allocated_bytes": peaks.allocated}
    else:
        found = {"train_peak_live_bytes": measure_live_peaks(workload.network, step, 1, workload.make_momenta)[0].live}
    for name, peak in found.items():
        yield Measurement(name, peak, method, "train")
    watch, samples = stopwatch_for(device), []
    batch = workload.make_batch()
    for _ in range(case.options_as(SavingsOptions).rounds):
        watch.start()
        workload.train_step(*batch)
        watch.lap("step")
        samples.append(watch.stop().total)
    yield Measurement("train_step_s", median(samples), method, "train", samples=tuple(samples))
