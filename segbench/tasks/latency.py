"""Measures the inference time per image in this process, one round of several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import cycle
from math import ceil
from pathlib import Path
from random import shuffle
from statistics import median

import torch
from torch import Tensor

from segbench.adaptive.run import costs_vary
from segbench.data import open_dataset
from segbench.errors import UserError
from segbench.evaluation.inference import as_batch, resize_batch
from segbench.learning.weights import fill, read_trained
from segbench.meters.latency import COPIES, LATENCY_PARTS, Inference, pipelined_seconds
from segbench.meters.sampling import Timing
from segbench.meters.stopwatch import stopwatch_for
from segbench.records.case import Case
from segbench.records.measurement import Measurement
from segbench.records.options import LatencyOptions
from segbench.tasks.outputs import tell_outputs
from segbench.tasks.protocol import Reporter
from segbench.tasks.scenes import cost_varies, spread_over_scenes
from segbench.tasks.timed import Timed, compiled, method_of, take_samples
from segbench.workload.device import device_of
from segbench.workload.images import SCENES, with_scenes
from segbench.workload.step import Workload, build_workload


def run(case: Case, report: Reporter) -> None:
    """Reports the time per image, whole and in parts, the throughput, the energy, and how busy the GPU was.

    Raises:
        UserError: a CUDA graph is asked of a CPU.
        NotImplementedError: the network cannot be captured as one.
        CheckpointError: damaged weights, or of another network.
    """
    device = device_of(case)
    if case.cuda_graph and device.type != "cuda":
        raise UserError(f"a CUDA graph needs a CUDA GPU, not device {case.device!r}; leave it out or use --device cuda")
    workload = build_workload(case, device)
    asked = case.options_as(LatencyOptions)
    if asked.checkpoint:
        path = Path(asked.checkpoint)
        fill(workload.network, read_trained(path), path)
        report.note(f"{case.model}: with the weights of {path.parent.name}/{path.name}")
    workload = compiled(workload)
    inferences = [Inference(workload, pictures, stopwatch_for(device)) for pictures in _batches(workload, report)]
    turns = cycle(inferences)
    timed = take_samples(lambda: next(turns)(), device, case, report)
    for measurement in _rows(timed, case, device, scenes=len(inferences) > 1):
        report.measured(measurement)
    factors = {"batch_size": case.infer_batch}
    report.measured(_pipelined(lambda: next(turns).submit(), timed, case, device))
    report.measured(timed.busy_row(lambda: next(turns).submit(), device, "infer", factors))

    tell_outputs(workload.outputs, case, report)
    if any(inference.finite is False for inference in inferences):
        report.note(f"{case.model} answers NaN or infinity: its time is measured, its answers are of no use")


_WINDOWS, _WINDOW_S = 5, 0.3
"""Of pipelined inference: five numbers, each of a window in which starting and ending it weighs little."""


def _batches(workload: Workload, report: Reporter) -> list[Tensor]:
    """The pictures of the calls in turn: one batch, or several real ones where the cost depends on the image."""
    case = workload.case
    if not costs_vary(workload.network):
        return [host_pictures(case)]
    case = with_scenes(case)
    report.note(cost_varies(case, f"{SCENES} batches take turns"))
    batches = list(torch.split(host_pictures(case, SCENES), case.infer_batch))
    shuffle(batches)  # in each process anew, so that short rounds together see all
    return batches


def _pipelined(submit: Callable[[], object], timed: Timed, case: Case, device: torch.device) -> Measurement:
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
    seconds = [pipelined_seconds(submit, batches, partial(torch.cuda.synchronize, device)) for _ in range(_WINDOWS)]
    samples = tuple(case.infer_batch / item for item in seconds)
    return replace(found, value=median(samples), samples=samples, cause=None, detail={"batches": batches})


def host_pictures(case: Case, batches: int = 1) -> Tensor:
    """`(N, H, W, 3)` uint8 of the case's size: the data set's first images, or random ones.

    Args:
        case: its inference batch is one batch.
        batches: how many.
    """
    count = batches * case.infer_batch
    if case.dataset is None:
        generator = torch.Generator().manual_seed(case.seed)
        shape = (count, case.height, case.width, 3)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    dataset = open_dataset(case.dataset, case.data_root, case.split or "test")
    images = [dataset[index % len(dataset)].image for index in range(count)]
    return torch.cat(
        [resize_batch(as_batch([image]), case.width, case.height).permute(0, 2, 3, 1) for image in images]
    ).contiguous()


def _rows(timed: Timed, case: Case, device: torch.device, scenes: bool) -> Iterator[Measurement]:
    count, method, factors = case.infer_batch, method_of(device), {"batch_size": case.infer_batch}
    row = partial(timed.row, method=method, mode="infer", factors=factors)
    whole = timed.headline("latency_s", lambda sample: sample.total / count, method, "infer", factors)
    spread = spread_over_scenes(whole.samples) if scenes else {}
    yield replace(whole, detail={**whole.detail, **spread})
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
