"""Counts parameters and operations; no time is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from segbench.errors import CardError
from segbench.meters.operations import Operations, count_operations
from segbench.meters.operations_crosscheck import OtherCount, count_with_fvcore, count_with_torch
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.records.options import ParamsOptions
from segbench.tasks.outputs import tell_outputs
from segbench.tasks.parameters import tell_parameters
from segbench.tasks.protocol import Reporter
from segbench.workload.step import Workload, build_workload, check_classes


def run(case: Case, report: Reporter) -> None:
    """Reports parameters, MACs, FLOPs, kernel launches and activation bytes of one forward pass of one image.

    The option `crosscheck` has fvcore count as well, which runs the network on the CPU.
    """
    case = replace(case, precision="fp32", channels_last=False)
    workload, counted, where = _count(case, report)
    others = [count_with_torch(_forward(workload))]
    if case.options_as(ParamsOptions).crosscheck:
        report.progress("cross-check", 1, 2)
        others.append(_fvcore(case))
    tell_parameters(workload.network, case, report)
    for measurement in _rows(counted, others, where):
        report.measured(measurement)
    tell_outputs(workload.outputs, case, report)
    if counted.doubtful:
        names = ", ".join(f"{name} {calls}" for name, calls in sorted(counted.doubtful.items()))
        report.note(f"{case.model}: operators that no rule knows may multiply, and are not in its MACs: {names}")


def _count(case: Case, report: Reporter) -> tuple[Workload, Operations, str]:
    """On `meta` if the network can, else on the CPU, where a path that depends on the data is taken."""
    report.progress("count", 0, 2)
    try:
        workload = build_workload(case, "meta")
        return workload, count_operations(workload.network, _forward(workload)), "meta"
    except (CardError, NotImplementedError, RuntimeError) as error:  # a builder that is broken fails again below
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        workload = build_workload(case, "cpu")
        counted = count_operations(workload.network, _forward(workload))
        report.note(f"{case.model}: counted on the CPU with random input, whose values may matter: {reason}")
        return workload, counted, "cpu"


def _forward(workload: Workload) -> Callable[[], None]:
    """One inference of one image."""
    images = workload.make_batch(1)[0]
    return lambda: check_classes(workload, workload.infer(images))


def _fvcore(case: Case) -> OtherCount:
    """fvcore traces the network, and PyTorch's shape rules on `meta` do not bear tracing."""
    workload = build_workload(case, "cpu")
    return count_with_fvcore(workload.network.eval(), workload.make_batch(1)[0])


def _rows(counted: Operations, others: list[OtherCount], where: str) -> Iterator[Measurement]:
    checks: list[Json] = [
        {
            "counter": other.counter,
            "macs": other.macs,
            "cause": other.cause,
            "disagrees": other.disagrees_with(counted.total_macs),
            "uncounted": dict(other.uncounted),
        }
        for other in others
    ]
    detail: dict[str, Json] = {
        "counted_on": where,
        "kinds": dict(counted.macs),
        "calls": dict(counted.calls),
        "uncounted": dict(counted.uncounted),
        "counters": checks,
        "modules": [[item.name, item.type, item.calls, item.macs] for item in counted.modules],
    }
    yield Measurement("macs", counted.total_macs, "counted", "infer", detail=detail)
    yield Measurement("flops", counted.flops, "counted", "infer")
    yield Measurement("kernel_launches", counted.launches, "counted", "infer")
    yield Measurement("activation_bytes", counted.activation_bytes, "counted", "infer")
