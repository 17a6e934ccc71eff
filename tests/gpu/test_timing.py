"""Timing on a real GPU: events, energy and clocks."""

from __future__ import annotations

import pytest
import torch

from segbench.meters.clocks import clock_probe
from segbench.meters.energy import energy_meter
from segbench.meters.latency import LATENCY_PARTS, Inference
from segbench.meters.stopwatch import CudaStopwatch, stopwatch_for
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.tasks import epoch, latency
from segbench.workload.images import normalise_images
from segbench.workload.step import build_workload

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")]
DEVICE = torch.device("cuda:0")


class Notes:
    def __init__(self) -> None:
        self.rows: dict[str, Measurement] = {}

    def measured(self, measurement: Measurement) -> None:
        self.rows[measurement.quantity] = measurement

    def progress(self, stage: str, done: int, total: int, **extra: Json) -> None: ...

    def note(self, sentence: str) -> None: ...


def busy(seconds: float) -> None:
    """Keeps the GPU at work for about so long."""
    matrix = torch.randn(4096, 4096, device=DEVICE)
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    while True:
        for _ in range(20):
            matrix = torch.tanh(matrix @ matrix)
        end.record()
        end.synchronize()
        if start.elapsed_time(end) > 1000 * seconds:
            return


def test_the_parts_of_an_inference_lie_within_its_time() -> None:
    watch = stopwatch_for(DEVICE)
    assert isinstance(watch, CudaStopwatch)
    workload = build_workload(Case("latency", "unet-w8", device="cuda:0"), DEVICE)
    inference = Inference(workload, torch.randint(0, 256, (1, 360, 480, 3), dtype=torch.uint8), watch)
    inference()
    timing = inference()
    assert tuple(timing.parts) == LATENCY_PARTS
    assert 0 < sum(timing.parts.values()) <= 1.05 * timing.total
    assert min(timing.parts.values()) > 0


def test_energy_of_two_busy_seconds_is_that_of_a_gpu_at_work() -> None:
    with energy_meter(DEVICE) as meter:
        busy(0.2)
        meter.start()
        busy(2.0)
        found = meter.stop()
    assert found.joules is not None, found.cause
    assert 20 < found.joules / found.seconds < 2000, "watts"
    assert found.above_idle_joules is not None and found.above_idle_joules < found.joules


def test_a_window_of_a_millisecond_has_a_reason_instead_of_zero() -> None:
    with energy_meter(DEVICE) as meter:
        meter.start()
        found = meter.stop()
    assert found.joules is None
    assert found.cause


def test_a_gpu_tells_its_clocks() -> None:
    busy(0.2)
    with clock_probe(DEVICE) as probe:
        found = probe.state()
    assert found.sm_mhz and found.sm_max_mhz and found.sm_mhz <= found.sm_max_mhz
    assert found.temperature_c and 10 < found.temperature_c < 110


@pytest.mark.parametrize(("task", "headline"), [(latency, "latency_s"), (epoch, "epoch_s")])
def test_the_timing_tasks_report_every_part(task: object, headline: str) -> None:
    report = Notes()
    case = Case(headline.removesuffix("_s"), "unet-w8", device="cuda:0").with_options(images=8, round_seconds=2.0)
    task.run(case, report)  # type: ignore[attr-defined]
    assert report.rows[headline].method == "measured:cuda"
    assert report.rows[headline].detail["gpu"]["sm_mhz"]
    assert report.rows[headline].detail["sm_mhz"]["highest"] > 0
    assert 0 < (report.rows["gpu_busy_fraction"].value or 0) <= 1, report.rows["gpu_busy_fraction"].cause
    missing = {name for name, row in report.rows.items() if row.value is None}
    energies = {f"energy_{kind}per_{what}_j" for kind in ("", "above_idle_") for what in ("image", "epoch")}
    assert missing <= {"train_data_s", *energies}


def test_batches_in_flight_are_no_slower_than_one_at_a_time() -> None:
    report = Notes()
    latency.run(Case("latency", "unet-w8", device="cuda:0").with_options(round_seconds=2.0), report)
    pipelined, single = report.rows["pipelined_images_per_s"].value, report.rows["throughput_images_per_s"].value
    assert pipelined is not None and single is not None and pipelined > 0.95 * single


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("model", ["unet-w8", "segnode-w8", "baseline-w8"])
def test_a_network_as_one_cuda_graph_gives_the_labels_of_its_kernels_launched(model: str, precision: str) -> None:
    pictures = torch.randint(0, 256, (3, 1, 180, 240, 3), dtype=torch.uint8)
    found = []
    for graph in (False, True):
        case = Case("latency", model, device="cuda:0", precision=precision, cuda_graph=graph)
        inference = Inference(build_workload(case, DEVICE), pictures[0], stopwatch_for(DEVICE))
        for picture in pictures:
            inference._pictures = picture.pin_memory()
            inference()
        found.append(inference.labels.clone())
    assert (found[0] == found[1]).float().mean() > 0.999


def test_an_adaptive_network_cannot_be_one_graph_and_says_so() -> None:
    case = Case("latency", "segnode-w8", device="cuda:0", cuda_graph=True)
    case = case.with_arguments(solver="dopri5", gradient="adjoint")
    with pytest.raises(NotImplementedError, match="cannot be captured"):
        latency.run(case, Notes())
    torch.cuda.synchronize()


def test_normalising_does_not_wait_for_the_gpu() -> None:
    pictures = torch.zeros((1, 4, 4, 3), dtype=torch.uint8, device=DEVICE)
    normalise_images(pictures)
    torch.cuda.set_sync_debug_mode("error")
    try:
        normalise_images(pictures)
    finally:
        torch.cuda.set_sync_debug_mode("default")
