"""Measures the inference time per image in this process, one round of several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import ceil
from statistics import median

import torch
from torch import Tensor

from segbench.data import open_dataset
from segbench.errors import UserError
from segbench.evaluation.inference import as_batch, resize_batch
from segbench.meters.latency import COPIES, LATENCY_PARTS, Inference, pipelined_seconds
from segbench.meters.sampling import Timing
from segbench.meters.stopwatch import stopwatch_for
from segbench.records.case import Case
from segbench.records.measurement import Measurement
from segbench.tasks.outputs import tell_outputs
from segbench.tasks.protocol import Reporter
from segbench.tasks.timed import Timed, compiled, method_of, take_samples
from segbench.workload.device import device_of
from segbench.workload.step import build_workload


def run(case: Case, report: Reporter) -> None:
    """Reports the time per image, whole and in parts, the throughput, the energy, and how busy the GPU was.

    Raises:
        UserError: a CUDA graph is asked of a CPU.
        NotImplementedError: the network cannot be captured as one.
    """
    device = device_of(case)
    if case.cuda_graph and device.type != "cuda":
        raise UserError(f"a CUDA graph needs a CUDA GPU, not device {case.device!r}; leave it out or use --device cuda")
    workload = compiled(build_workload(case, device))
    inference = Inference(workload, host_pictures(case), stopwatch_for(device))
    timed = take_samples(inference, device, case, report)
    for measurement in _rows(timed, case, device):
        report.measured(measurement)
    factors = {"batch_size": case.infer_batch}
    report.measured(_pipelined(inference, timed, case, device))
    report.measured(timed.busy_row(inference.submit, device, "infer", factors))

    tell_outputs(workload.outputs, case, report)
    if not inference.finite:
        report.note(f"{case.model} answers NaN or infinity: its time is measured, its answers are of no use")


_WINDOWS, _WINDOW_S = 5, 0.3
"""Of pipelined inference: five numbers, each of a window in which starting and ending it weighs little."""


def _pipelined(inference: Inference, timed: Timed, case: Case, device: torch.device) -> Measurement:
    """Images per second with several batches in flight; the same as the throughput where the host does the work."""
    found = Measurement(
        "pipelined_images_per_s",
        None,
        method_of(device),
        "infer",
        cause="nothing is in flight: the network runs on the host",
        factors={"batch_size": case.infer_batch},
    )
    if device.type != "cuda":
        return found
    batches = max(8, ceil(_WINDOW_S / timed.total))
    seconds = [
        pipelined_seconds(inference.submit, batches, partial(torch.cuda.synchronize, device)) for _ in range(_WINDOWS)
    ]
    samples = tuple(case.infer_batch / item for item in seconds)
    return replace(found, value=median(samples), samples=samples, cause=None, detail={"batches": batches})


def host_pictures(case: Case) -> Tensor:
    """`(N, H, W, 3)` uint8 of the case's size and inference batch: the data set's first images, or random ones."""
    if case.dataset is None:
        generator = torch.Generator().manual_seed(case.seed)
        shape = (case.infer_batch, case.height, case.width, 3)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    dataset = open_dataset(case.dataset, case.data_root, case.split or "test")
    images = [dataset[index % len(dataset)].image for index in range(case.infer_batch)]
    return torch.cat(
        [resize_batch(as_batch([image]), case.width, case.height).permute(0, 2, 3, 1) for image in images]
    ).contiguous()


def _rows(timed: Timed, case: Case, device: torch.device) -> Iterator[Measurement]:
    count, method, factors = case.infer_batch, method_of(device), {"batch_size": case.infer_batch}
    row = partial(timed.row, method=method, mode="infer", factors=factors)
    yield timed.headline("latency_s", lambda sample: sample.total / count, method, "infer", factors)
    yield row("batch_latency_s", lambda sample: sample.total)
    yield row("throughput_images_per_s", lambda sample: count / sample.total)
    for part in LATENCY_PARTS:
        if part in COPIES and device.type == "cpu":
            cause = "no copy: the network runs on the host"
            yield Measurement(f"latency_{part}_s", None, method, "infer", cause=cause, factors=factors)
        else:
            yield row(f"latency_{part}_s", _seconds_of(part, count))
    yield from timed.energy_rows("image", "infer", 1 / (count * len(timed.samples)), factors)
    if case.compile:
        yield Measurement("compile_s", timed.compile_seconds, method, "infer", factors=factors)


def _seconds_of(part: str, images: int) -> Callable[[Timing], float]:
    return lambda sample: sample.parts[part] / images
