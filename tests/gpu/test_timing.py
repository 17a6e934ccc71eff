"""Timing on a real GPU: events, energy and clocks."""

from __future__ import annotations

import pytest
import torch

from segbench.meters.clocks import clock_probe
from segbench.meters.energy import energy_meter
from segbench.meters.latency import PARTS, Inference
from segbench.meters.stopwatch import CudaStopwatch, stopwatch_for
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.tasks import epoch, latency
from segbench.workload.step import build_workload

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")]
CARD = torch.device("cuda:0")


class Notes:
    def __init__(self) -> None:
        self.rows: dict[str, Measurement] = {}

    def measured(self, measurement: Measurement) -> None:
        self.rows[measurement.quantity] = measurement

    def progress(self, stage: str, done: int, total: int, **extra: Json) -> None: ...

    def note(self, sentence: str) -> None: ...


def busy(seconds: float) -> None:
    """Keeps the GPU at work for about so long."""
    matrix = torch.randn(4096, 4096, device=CARD)
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
    watch = stopwatch_for(CARD)
    assert isinstance(watch, CudaStopwatch)
    workload = build_workload(Case("latency", "unet-w8", device="cuda:0"), CARD)
    inference = Inference(workload, torch.randint(0, 256, (1, 360, 480, 3), dtype=torch.uint8), watch)
    inference()
    timing = inference()
    assert tuple(timing.parts) == PARTS
    assert 0 < sum(timing.parts.values()) <= 1.05 * timing.total
    assert min(timing.parts.values()) > 0


def test_energy_of_two_busy_seconds_is_that_of_a_card_at_work() -> None:
    with energy_meter(CARD) as meter:
        busy(0.2)
        meter.start()
        busy(2.0)
        found = meter.stop()
    assert found.joules is not None, found.cause
    assert 20 < found.joules / found.seconds < 2000, "watts"


def test_a_window_of_a_millisecond_has_a_reason_instead_of_zero() -> None:
    with energy_meter(CARD) as meter:
        meter.start()
        found = meter.stop()
    assert found.joules is None
    assert found.cause


def test_a_card_tells_its_clocks() -> None:
    busy(0.2)
    with clock_probe(CARD) as probe:
        found = probe.state()
    assert found.sm_mhz and found.sm_max_mhz and found.sm_mhz <= found.sm_max_mhz
    assert found.temperature_c and 10 < found.temperature_c < 110


@pytest.mark.parametrize(("task", "headline"), [(latency, "latency_s"), (epoch, "epoch_s")])
def test_the_timing_tasks_report_every_part(task: object, headline: str) -> None:
    report = Notes()
    case = Case(headline.removesuffix("_s"), "unet-w8", device="cuda:0").with_options(images=8, round_seconds=2.0)
    task.run(case, report)  # type: ignore[attr-defined]
    assert report.rows[headline].method == "measured:cuda"
    assert report.rows[headline].detail["GPU"]["sm_mhz"]
    missing = {name for name, row in report.rows.items() if row.value is None}
    assert missing <= {"train_data_s", "energy_per_image_j", "energy_per_epoch_j"}
