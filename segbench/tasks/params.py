"""Counts parameters and operations; no time is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import mean

from torch import Tensor, nn

from segbench.adaptive.run import costs_vary
from segbench.data import open_dataset
from segbench.errors import CardError
from segbench.estimate.shortcuts import ShortcutsOnMeta
from segbench.libraries.traits import traits_of
from segbench.meters.operations import Operations, count_operations
from segbench.meters.operations_crosscheck import OtherCount, count_with_fvcore, count_with_torch
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.records.options import ParamsOptions
from segbench.tasks.outputs import tell_outputs
from segbench.tasks.parameters import tell_parameters
from segbench.tasks.predict import workload_on_meta
from segbench.tasks.protocol import Reporter
from segbench.tasks.scenes import cost_varies, spread_over_scenes
from segbench.workload.images import SCENES, real_batch, with_scenes
from segbench.workload.step import Workload, build_workload, check_classes


@dataclass(frozen=True, eq=False)
class _Counted:
    """One inference of one image.

    Attributes:
        workload: that ran.
        images: what it was given `(1, 3, H, W)`.
        operations: of it.
        where: the device.
        scenes: MACs of several images, of which this one is the median; empty where all images cost the same.
    """

    workload: Workload
    images: Tensor
    operations: Operations
    where: str
    scenes: tuple[int, ...] = ()

    @property
    def macs(self) -> int:
        """Mean over the scenes."""
        return round(mean(self.scenes or (self.operations.total_macs,)))


def run(case: Case, report: Reporter) -> None:
    """Reports parameters, MACs, FLOPs, kernel launches and activation bytes of one forward pass of one image.

    Where the cost depends on the image, MACs and FLOPs are the mean over several real ones, and all else is of the one
    with the median. The option `crosscheck` has fvcore count as well, which runs the network on the CPU. Without
    `execute` nothing runs, and networks whose operations depend on numbers have parameters only.
    """
    case, asked = replace(case, precision="fp32", channels_last=False), case.options_as(ParamsOptions)
    counted = _count(case, report) if asked.execute else _count_without_numbers(case)
    if isinstance(counted, _Untold):
        tell_parameters(counted.network, case, report)
        cause = (
            f"{counted.reason}; try segbench params -m {case.model} --input {case.width}x{case.height}, which runs it"
        )
        report.measured(Measurement("macs", None, "counted", "infer", cause=cause))
        return
    operations, workload = counted.operations, counted.workload
    others = [count_with_torch(_forward(workload, counted.images))] if asked.execute else []
    if asked.crosscheck:
        report.progress("cross-check", 1, 2)
        others.append(_fvcore(workload.case, counted))
    tell_parameters(workload.network, case, report)
    for measurement in _rows(counted, others):
        report.measured(measurement)
    tell_outputs(workload.outputs, case, report)
    if operations.doubtful:
        names = ", ".join(f"{name} {calls}" for name, calls in sorted(operations.doubtful.items()))
        report.note(f"{case.model}: operators that no rule knows may multiply, and are not in its MACs: {names}")


def _count(case: Case, report: Reporter) -> _Counted:
    """On `meta` if the network can, else on the CPU, where a path that depends on the data is taken."""
    report.progress("count", 0, 2)
    random, reason = replace(case, dataset=None, data_root=None, split=None), None
    try:
        workload = build_workload(random, "meta")
        if not costs_vary(workload.network):
            return _counted(workload, workload.make_batch(1)[0], "meta")
    except (CardError, NotImplementedError, RuntimeError) as error:  # a builder that is broken fails again below
        reason = _first_line(error)
    workload = build_workload(random, "cpu")
    if costs_vary(workload.network):
        return _count_scenes(workload, with_scenes(case), report)
    counted = _counted(workload, workload.make_batch(1)[0], "cpu")
    report.note(f"{case.model}: counted on the CPU with random input, whose values may matter: {reason}")
    return counted


@dataclass(frozen=True, eq=False)
class _Untold:
    """A network whose operations are not known without running it, and why."""

    network: nn.Module
    reason: str


def _count_without_numbers(case: Case) -> _Counted | _Untold:
    workload = workload_on_meta(case)
    if costs_vary(workload.network):
        return _Untold(workload.network, "how much it computes depends on the image")
    try:
        return _counted(workload, workload.make_batch(1)[0], "meta")
    except (NotImplementedError, RuntimeError) as error:
        return _Untold(workload.network, f"it does not run without numbers ({_first_line(error)})")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _count_scenes(workload: Workload, case: Case, report: Reporter) -> _Counted:
    """The scene with the median MACs, and the MACs of all."""
    dataset = open_dataset(str(case.dataset), case.data_root, str(case.split))
    scenes = real_batch(dataset, SCENES, case.height, case.width, workload.device, traits_of(workload.network))[0]
    found = sorted(
        (_counted(workload, image[None], "cpu") for image in scenes), key=lambda one: one.operations.total_macs
    )
    report.note(cost_varies(case, f"MACs are the mean of {SCENES} images, the rest is of the one with the median"))
    return replace(found[SCENES // 2], scenes=tuple(one.operations.total_macs for one in found))


def _counted(workload: Workload, images: Tensor, where: str) -> _Counted:
    with ShortcutsOnMeta():  # type: ignore[no-untyped-call]
        operations = count_operations(workload.network, _forward(workload, images))
    return _Counted(workload, images, operations, where)


def _forward(workload: Workload, images: Tensor) -> Callable[[], None]:
    """One inference."""
    return lambda: check_classes(workload, workload.infer(images))


def _fvcore(case: Case, counted: _Counted) -> OtherCount:
    """fvcore traces the network, and PyTorch's shape rules on `meta` do not bear tracing."""
    workload = build_workload(case, "cpu")
    images = counted.images if counted.scenes else workload.make_batch(1)[0]
    return count_with_fvcore(workload.network.eval(), images)


def _rows(counted: _Counted, others: list[OtherCount]) -> Iterator[Measurement]:
    operations = counted.operations
    checks: list[Json] = [
        {
            "counter": other.counter,
            "macs": other.macs,
            "cause": other.cause,
            "disagrees": other.disagrees_with(operations.total_macs),
            "uncounted": dict(other.uncounted),
        }
        for other in others
    ]
    detail: dict[str, Json] = {
        "counted_on": counted.where,
        "kinds": dict(operations.macs),
        "calls": dict(operations.calls),
        "uncounted": dict(operations.uncounted),
        "counters": checks,
        "modules": [[item.name, item.type, item.calls, item.macs] for item in operations.modules],
    }
    detail |= spread_over_scenes(counted.scenes)
    yield Measurement("macs", counted.macs, "counted", "infer", samples=counted.scenes, detail=detail)
    yield Measurement("flops", 2 * counted.macs, "counted", "infer")
    yield Measurement("kernel_launches", operations.launches, "counted", "infer")
    yield Measurement("activation_bytes", operations.activation_bytes, "counted", "infer")
