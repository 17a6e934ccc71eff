"""Predicts the peak memory of a training step or an inference on CUDA; nothing runs, no GPU is needed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial

import torch
from torch import nn

from segbench.adaptive.run import costs_vary
from segbench.cards.model import find_model
from segbench.errors import CardError, UserError
from segbench.estimate.allocator import replay
from segbench.estimate.attention_backends import BACKENDS, Kernels
from segbench.estimate.intervals import TOO_FEW, PeakInterval, interval_of
from segbench.estimate.older_torch import release_of
from segbench.estimate.overheads import CUBLAS_WORKSPACE, Overheads
from segbench.estimate.prediction import Prediction, summarise
from segbench.estimate.step import Start, Traced, trace_step
from segbench.libraries.traits import traits_of
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.records.options import Assumptions, PredictOptions
from segbench.tasks.outputs import tell_outputs
from segbench.tasks.parameters import tell_parameters
from segbench.tasks.protocol import Reporter
from segbench.workload.images import batch_source
from segbench.workload.network import built_for_any_size, fit_to_size, require_classes
from segbench.workload.optimizer import build_optimizer
from segbench.workload.outputs import OutputReader
from segbench.workload.step import Workload, build_workload


def run(case: Case, report: Reporter) -> None:
    """Reports every memory quantity of each of the case's modes, as CUDA would need it.

    With the option `timeline`, the detail also tells bytes by role over the step.
    """
    tracer = Tracer()
    for number, mode in enumerate(case.modes):
        started = time.perf_counter()
        batch = batch_of(case, mode)
        traced = tracer.step(case, mode, batch)
        found = summarise(traced, mode, batch, replay(traced.log), overheads_of(case))
        seconds = time.perf_counter() - started
        if number == 0:
            tell_parameters(tracer.workload.network, case, report)
        asked = case.options_as(PredictOptions)
        certain = interval_of(case.precision, mode) if asked.workspaces == "expected" else None
        rows = _rows(found, _detail(found, seconds, asked.timeline), certain)
        for row in rows if asked.target == "cuda" else itertools.islice(rows, 1):
            report.measured(row)
        for sentence in notes(found, case, tracer.workload.network):
            report.note(sentence)
        if number == len(case.modes) - 1:
            tell_outputs(tracer.workload.outputs, case, report)
        report.progress(mode, number + 1, len(case.modes))


def workload_on_meta(case: Case) -> Workload:
    """The case's network and step without data, memory or computation; real images would cost the same.

    What cannot be built on `meta`, such as a network whose constructor reads weights, is built on the CPU and moved.

    Raises:
        UserError: torch.compile is asked for, whose memory planning cannot be foreseen.
    """
    if case.compile:
        raise UserError("the memory of a compiled network cannot be predicted; leave out --compile, or measure on CUDA")
    case = replace(case, dataset=None)
    try:
        return build_workload(case, "meta")
    except CardError:
        return _moved(build_workload(replace(case, precision="fp32", optimizer="none"), "cpu"), case)


def _moved(built: Workload, case: Case) -> Workload:
    """A workload built on the CPU as one of the case on `meta`."""
    network = built.network.to("meta")
    optimizer = build_optimizer(case.optimizer, find_model(case.model).card.recipe, network.parameters())
    return _as_case(case, replace(built, network=network, optimizer=optimizer, device=torch.device("meta")))


def _as_case(case: Case, built: Workload) -> Workload:
    """A built workload as one of another case, with images of its size."""
    batches = batch_source(case, built.device, traits_of(built.network))
    return replace(built, case=case, batches=batches, outputs=OutputReader.of(case, built.network))


def overheads_of(case: Case) -> Overheads:
    """Context and workspaces as the command chose them."""
    assumed = case.options_as(Assumptions)
    cublas = CUBLAS_WORKSPACE if assumed.cublas_bytes is None else assumed.cublas_bytes
    return Overheads(assumed.context_bytes, cublas, assumed.workspaces)


def kernels_of(assumed: Assumptions) -> Kernels:
    """What decides between kernels of attention: the preferred one, and the GPU's compute capability."""
    usual = Kernels(assumed.attention)
    return usual if assumed.capability is None else Kernels(assumed.attention, assumed.capability)


class Tracer:
    """Traces a case's steps, at several batches or sizes on one network where the step before left it as it was built.

    Attributes:
        workload: of the last trace.
    """

    workload: Workload

    def __init__(self) -> None:
        self._start: Start | None = None

    def step(self, case: Case, mode: str, batch: int, overheads: Overheads | None = None) -> Traced:
        """The trace of the case's step with so many images, under all of the case's options.

        Args:
            case: the same one for every call, but for the size of its images.
            mode: `train` or `infer`.
            batch: images per step.
            overheads: instead of the case's.

        Raises:
            UserError: the network gives another number of classes than the case says, as a measurement refuses too, or
                ranks that do not suit their strategy.
        """
        assumed = case.options_as(Assumptions)
        assumed.require_sensible()
        start, self._start = self._start_of(case), None
        traced = trace_step(
            partial(self._build, case),
            mode,
            batch,
            target=assumed.target,
            overheads=overheads or overheads_of(case),
            nfe=assumed.nfe,
            kernels=kernels_of(assumed),
            strategy=assumed.strategy,
            ranks=assumed.ranks,
            release=release_of(assumed.assume_torch),
            start=start,
        )
        self._start = traced.start
        if traced.classes is not None:
            require_classes(case.model, traced.classes, case.classes, f"use --classes {traced.classes}")
        return traced

    def _build(self, case: Case) -> Workload:
        self.workload = workload_on_meta(case)
        return self.workload

    def _start_of(self, case: Case) -> Start | None:
        """That of the trace before, with images of the case's size; None where the case needs a network of its own."""
        if self._start is None:
            return None
        case = replace(case, dataset=None)
        if (case.width, case.height) != (self.workload.case.width, self.workload.case.height):
            if not built_for_any_size(case):
                return None
            if not case.pad:
                fit_to_size(self.workload.network, case)
        self.workload = _as_case(case, self.workload)
        return replace(self._start, workload=self.workload)


def traced_step(case: Case, mode: str, batch: int) -> Traced:
    """The trace of one step by itself, see `Tracer.step`."""
    return Tracer().step(case, mode, batch)


def predicting(case: Case) -> Case:
    """The same training step as a case of this task, with such of its options as say what a prediction assumes.

    The memory meant is the CPU's where the case runs there, else CUDA's.
    """
    target = "cpu" if case.device == "cpu" else "cuda"
    return case.for_task("predict", modes=("train",), options={"target": target})


def batch_of(case: Case, mode: str) -> int:
    """Images of a step in this mode."""
    return case.batch_size if mode == "train" else case.infer_batch


AUTOTUNING = "cudnn.benchmark tries algorithms with large workspaces, which depend on the GPU and are not predicted"


def notes(found: Prediction, case: Case, network: nn.Module) -> list[str]:
    """What limits the prediction, as sentences that name the network."""
    warnings = [*found.warnings, *([AUTOTUNING] if case.cudnn_benchmark else [])]
    warnings += [TOO_FEW] if found.mode == "train" and case.precision != "fp32" else []
    return [
        *(f"{case.model}: {sentence}" for sentence in [*warnings, *_assumptions(found, network)]),
        *_attention_notes(found, case),
    ]


def _assumptions(found: Prediction, network: nn.Module) -> list[str]:
    """What nobody knows without weights and images: of an adaptive network all that it may leave out, else by line."""
    if costs_vary(network):
        return ["it decides by what it sees how much it computes, and is predicted as if every part were computed"]
    places = [f"{place} ({'once' if times == 1 else f'{times} times'})" for place, times in found.assumptions.items()]
    return [f"assumed that {place}, which depends on weights or images" for place in places]


def _attention_notes(found: Prediction, case: Case) -> list[str]:
    """Which kernels were assumed; by torch's own rules for CUDA, which no trace on `meta` can prove."""
    if not found.attention:
        return []
    major, minor = kernels_of(case.options_as(Assumptions)).capability
    kinds = "; ".join(sorted(found.attention))
    return [
        f"{case.model}: attention is predicted with CUDA's kernels ({kinds}), chosen by torch's rules for compute "
        f"capability {major}.{minor}; choose another with --attention {'|'.join(BACKENDS)}"
    ]


def _rows(found: Prediction, detail: dict[str, Json], certain: PeakInterval | None = None) -> Iterator[Measurement]:
    factors = {"batch_size": found.batch}

    def row(name: str, value: int, detail: dict[str, Json] | None = None) -> Measurement:
        name = f"{found.mode}_{name}"
        return Measurement(name, value, "predicted", mode=found.mode, factors=factors, detail=detail or {})

    yield row("peak_live_bytes", found.live, detail)
    yield row("peak_allocated_bytes", found.allocated, _interval(certain, found.allocated))
    yield row("peak_reserved_bytes", found.reserved, _interval(certain, found.reserved))
    yield row("peak_process_bytes", found.process, {"context_bytes": found.context})
    yield row("first_step_peak_bytes", found.warmup_allocated)


def _interval(certain: PeakInterval | None, predicted: int) -> dict[str, Json]:
    return {} if certain is None else {"interval": certain.around(predicted), "interval_source": certain.source}


def _detail(found: Prediction, seconds: float, with_timeline: bool) -> dict[str, Json]:
    """What explains the peak: for `--explain`, `--plot` and the ledger."""
    detail: dict[str, Json] = {
        "breakdown": found.breakdown,
        "modules": found.modules,
        "largest": [{**asdict(item), "shape": list(item.shape)} for item in found.largest],
        "peak": {"phase": found.peak_phase, "operator": found.peak_operator, "module": found.peak_module},
        "assumptions": found.assumptions,
        "warnings": list(found.warnings),
        "attention": found.attention,
        "operators": found.operators,
        "seconds": round(seconds, 3),
    }
    if with_timeline:
        detail["timeline"] = asdict(found.timeline)
    return detail
