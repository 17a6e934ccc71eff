"""Predicts the peak memory of a training step or an inference on CUDA; nothing runs, no GPU is needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, replace

from segbench.errors import UserError
from segbench.estimate.overheads import CUBLAS_WORKSPACE, MODERN_CONTEXT, Overheads
from segbench.estimate.prediction import Prediction, predict_step
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.tasks.outputs import tell_outputs
from segbench.tasks.parameters import tell_parameters
from segbench.tasks.protocol import Reporter
from segbench.workload.step import Workload, build_workload


def run(case: Case, report: Reporter) -> None:
    """Reports every memory quantity of each of the case's modes, as CUDA would need it.

    Options: `context_bytes`, `cublas_bytes` and `workspaces` (see `Overheads`); `nfe` (see
        `segbench.estimate.assumed_steps`); `timeline` adds bytes by role over the step to the detail.
    """
    built: list[Workload] = []
    for number, mode in enumerate(case.modes):
        started = time.perf_counter()
        batch = batch_of(case, mode)
        found = predict_step(lambda: _kept(case, built), mode, batch, overheads_of(case), nfe=case.option("nfe"))
        seconds = time.perf_counter() - started
        if number == 0:
            tell_parameters(built[-1].network, case, report)
        for row in _rows(found, _detail(found, seconds, bool(case.option("timeline")))):
            report.measured(row)
        for sentence in notes(found, case):
            report.note(sentence)
        if number == len(case.modes) - 1:
            tell_outputs(built[-1].outputs, case, report)
        report.progress(mode, number + 1, len(case.modes))


def _kept(case: Case, built: list[Workload]) -> Workload:
    """The workload, which stays within reach after the trace."""
    built.append(workload_on_meta(case))
    return built[-1]


def workload_on_meta(case: Case) -> Workload:
    """The case's network and step without data, memory or computation; real images would cost the same.

    Raises:
        UserError: torch.compile is asked for, whose memory planning cannot be foreseen.
    """
    if case.compile:
        raise UserError("the memory of a compiled network cannot be predicted; leave out --compile, or measure on CUDA")
    return build_workload(replace(case, dataset=None), "meta")


def overheads_of(case: Case) -> Overheads:
    """Context and workspaces as the command chose them."""
    return Overheads(
        context_bytes=int(case.option("context_bytes", MODERN_CONTEXT)),
        cublas_bytes=int(case.option("cublas_bytes", CUBLAS_WORKSPACE)),
        convolutions=case.option("workspaces", "none"),
    )


def batch_of(case: Case, mode: str) -> int:
    """Images of a step in this mode."""
    return case.batch_size if mode == "train" else case.infer_batch


AUTOTUNING = "cudnn.benchmark tries algorithms with large workspaces, which depend on the GPU and are not predicted"


def notes(found: Prediction, case: Case) -> list[str]:
    """What limits the prediction, as sentences that name the network."""
    warnings = [*found.warnings, *([AUTOTUNING] if case.cudnn_benchmark else [])]
    places = [f"{place} ({times} times)" for place, times in found.assumptions.items()]
    return [
        *(f"{case.model}: {sentence}" for sentence in warnings),
        *(f"{case.model}: assumed that {place}, which depends on weights or images" for place in places),
    ]


def _rows(found: Prediction, detail: dict[str, Json]) -> Iterator[Measurement]:
    factors = {"batch_size": found.batch}

    def row(name: str, value: int, detail: dict[str, Json] | None = None) -> Measurement:
        name = f"{found.mode}_{name}"
        return Measurement(name, value, "predicted", mode=found.mode, factors=factors, detail=detail or {})

    yield row("peak_live_bytes", found.live, detail)
    yield row("peak_allocated_bytes", found.allocated)
    yield row("peak_reserved_bytes", found.reserved)
    yield row("peak_process_bytes", found.process, {"context_bytes": found.context})
    yield row("first_step_peak_bytes", found.warmup_allocated)


def _detail(found: Prediction, seconds: float, with_timeline: bool) -> dict[str, Json]:
    """What explains the peak: for `--explain`, `--plot` and the ledger."""
    detail: dict[str, Json] = {
        "breakdown": found.breakdown,
        "modules": found.modules,
        "largest": [{**asdict(item), "shape": list(item.shape)} for item in found.largest],
        "peak": {"phase": found.peak_phase, "operator": found.peak_operator, "module": found.peak_module},
        "assumptions": found.assumptions,
        "warnings": list(found.warnings),
        "operators": found.operators,
        "seconds": round(seconds, 3),
    }
    if with_timeline:
        detail["timeline"] = asdict(found.timeline)
    return detail
