"""The timing and counting tasks on small networks, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from segbench.errors import CheckpointError, UserError
from segbench.learning.checkpoint import Checkpoint, save_checkpoint
from segbench.meters.clocks import GpuState
from segbench.meters.energy import Energy
from segbench.meters.sampling import Timing
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.tasks import epoch, latency, params
from segbench.tasks.timed import Timed, Watched, sampling_plan, take_samples, take_turns
from segbench.workload.step import build_workload


class Notes:
    """Collects what a task reports."""

    def __init__(self) -> None:
        self.rows: dict[str, Measurement] = {}
        self.notes: list[str] = []

    def measured(self, measurement: Measurement) -> None:
        self.rows[measurement.quantity] = measurement

    def progress(self, stage: str, done: int, total: int, **extra: Json) -> None: ...

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small(task: str, **changes: object) -> Case:
    case = Case(task, "unet-w8", width=48, height=32, **changes)  # type: ignore[arg-type]
    short = {"round_seconds": 0.5, "round_min_runs": 3, "round_max_runs": 5, "images": 10}
    return case.with_options(**{name: value for name, value in short.items() if hasattr(case.options, name)})


def test_latency_reports_the_whole_its_parts_and_the_reason_for_what_is_missing() -> None:
    report = Notes()
    latency.run(small("latency", infer_batch=2), report)
    rows = report.rows
    whole, batch = rows["latency_s"], rows["batch_latency_s"]
    assert whole.value is not None and batch.value is not None and 3 <= len(whole.samples) <= 5
    assert batch.value == pytest.approx(2 * whole.value, rel=1e-6)
    parts = [rows[f"latency_{part}_s"].value for part in ("normalise", "forward", "argmax")]
    assert all(part is not None and 0 < part <= max(whole.samples) for part in parts)
    assert rows["throughput_images_per_s"].value == pytest.approx(1 / whole.value, rel=0.1)
    assert "runs on the host" in str(rows["latency_copy_in_s"].cause)
    assert "only NVIDIA" in str(rows["energy_above_idle_per_image_j"].cause)
    assert "nothing is in flight" in str(rows["pipelined_images_per_s"].cause)
    assert "no GPU" in str(rows["gpu_busy_fraction"].cause)
    assert "only NVIDIA" in str(rows["energy_per_image_j"].cause)
    assert len(whole.warmup) >= 2 and "steady" in whole.detail and whole.detail["others_cores"] >= 0


def test_latency_takes_real_pictures_of_the_cases_size() -> None:
    pictures = latency.host_pictures(small("latency", dataset="synthetic", infer_batch=2))
    assert pictures.shape == (2, 32, 48, 3) and pictures.dtype == torch.uint8
    assert not torch.equal(pictures[0], pictures[1])


def test_a_latency_that_depends_on_the_image_is_of_several_scenes() -> None:
    report, case = Notes(), replace(small("latency"), model="dynamic-routing-small")
    latency.run(case.with_arguments(layers=1, width=4), report)
    whole = report.rows["latency_s"]
    assert min(whole.samples) <= whole.detail["scenes"]["p5"] <= whole.detail["scenes"]["p95"] <= max(whole.samples)
    assert any("depends on the image (here of synthetic, test): 8 batches take turns" in note for note in report.notes)


def test_latency_is_of_the_trained_weights_where_they_are_given(tmp_path: Path) -> None:
    """Weights that no builder draws, told by their answers."""
    path, case, report = tmp_path / "last.safetensors", small("latency"), Notes()
    weights = build_workload(case, "cpu").network.state_dict()
    huge = {name: value * 1e30 if value.is_floating_point() else value for name, value in weights.items()}
    save_checkpoint(Checkpoint(huge, {}), path)
    latency.run(case.with_options(checkpoint=str(path)), report)
    assert any("with the weights of" in note for note in report.notes)
    assert any("answers NaN or infinity" in note for note in report.notes)
    with pytest.raises(CheckpointError, match="another network"):
        latency.run(replace(case, model="segnode-w8").with_options(checkpoint=str(path)), report)


def test_random_pictures_depend_on_the_seed_alone() -> None:
    assert torch.equal(latency.host_pictures(small("latency")), latency.host_pictures(small("latency")))
    assert not torch.equal(latency.host_pictures(small("latency")), latency.host_pictures(small("latency", seed=1)))


def test_an_epoch_is_its_steps_the_last_one_whole() -> None:
    report = Notes()
    epoch.run(small("epoch", batch_size=4), report)
    step, whole = report.rows["train_step_s"].value, report.rows["epoch_s"].value
    assert step is not None and whole == pytest.approx(3 * step), "ten images in batches of four"
    assert "nothing is loaded" in str(report.rows["train_data_s"].cause)
    assert report.rows["train_backward_s"].value
    assert report.rows["epoch_s"].factors == {"batch_size": 4, "images": 10}


def test_an_epoch_of_a_data_set_waits_for_its_images() -> None:
    report = Notes()
    epoch.run(small("epoch", batch_size=2, dataset="synthetic"), report)
    data, step = report.rows["train_data_s"].value, report.rows["train_step_s"].value
    assert data is not None and step is not None and 0 < data < step


FOUR_IMAGES = "synthetic:size=48x32,count=4"


def test_an_epoch_is_as_long_as_the_copy_at_hand() -> None:
    report = Notes()
    epoch.run(small("epoch", batch_size=2, dataset=FOUR_IMAGES).with_options(images=None), report)
    step, whole = report.rows["train_step_s"].value, report.rows["epoch_s"].value
    assert step is not None and whole == pytest.approx(2 * step), "four images in batches of two"
    assert report.rows["epoch_s"].factors == {"batch_size": 2, "images": 4}
    assert report.notes[0] == "the epoch is of 4 images; the official synthetic train has 512"


def test_an_epoch_of_another_length_says_so() -> None:
    report = Notes()
    epoch.run(small("epoch", batch_size=5, dataset=FOUR_IMAGES), report)
    assert report.rows["epoch_s"].factors["images"] == 10
    assert report.notes[0] == "the epoch is of 10 images; this copy of synthetic train has 4"


def test_an_epoch_of_random_images_needs_a_length() -> None:
    with pytest.raises(UserError, match="give --images, or a data set with -d"):
        epoch.run(small("epoch").with_options(images=None), Notes())


def test_params_are_counted_on_meta_and_cross_checked() -> None:
    report = Notes()
    params.run(small("params"), report)
    macs = report.rows["macs"]
    assert macs.detail["counted_on"] == "meta"
    assert [(check["counter"], check["macs"], check["disagrees"]) for check in macs.detail["counters"]] == [
        ("torch", macs.value, False),
        ("fvcore", macs.value, False),
    ]
    assert report.rows["flops"].value == 2 * (macs.value or 0)
    assert report.rows["kernel_launches"].value and report.rows["activation_bytes"].value
    assert macs.detail["uncounted"]["native_batch_norm"] > 0


def test_a_network_whose_path_depends_on_its_data_is_counted_on_the_cpu_with_a_note() -> None:
    report = Notes()
    case = Case("params", "segnode-w8", width=32, height=32).with_arguments(solver="dopri5", gradient="adjoint")
    params.run(case.with_options(crosscheck=False), report)
    assert report.rows["macs"].detail["counted_on"] == "cpu"
    assert "whose values may matter" in report.notes[0]


def timed(slowed: tuple[tuple[str, ...], ...]) -> Timed:
    samples = tuple(Timing(1.0) for _ in slowed)
    return Timed((3.0, 1.0), True, samples, slowed, Energy(50.0, 5.0), 0.5, GpuState(temperature_c=80))


def test_throttled_samples_are_marked_and_kept() -> None:
    found = timed(((), ("software power cap",), ()))
    row = found.headline("latency_s", lambda sample: sample.total, "measured:cuda", "infer", {})
    assert row.samples == (1.0, 1.0, 1.0)
    assert row.detail["throttled"] == [1]
    assert row.detail["throttled_by"] == ["software power cap"]
    assert row.detail["gpu"]["temperature_c"] == 80


def test_a_run_throttled_throughout_still_has_its_value() -> None:
    found = timed((("hardware slowdown",),) * 3)
    assert found.headline("latency_s", lambda sample: sample.total, "measured:cuda", "infer", {}).value == 1.0


def test_compiling_is_what_the_first_call_took_beyond_a_steady_one() -> None:
    assert replace(timed(((), ())), first=3.0).compile_seconds == 2.0


def test_a_call_that_compiles_is_no_warm_up_and_takes_none_of_the_time() -> None:
    now = [20.0]

    def call() -> Timing:
        now[0] /= 10
        return Timing(now[0])

    case = Case("latency", "x", compile=True).with_options(round_min_runs=3, round_max_runs=3)
    found = take_samples(call, torch.device("cpu"), case, Notes())
    assert found.first == 2.0
    assert 2.0 not in found.warmup


def test_energy_is_shared_out_over_images() -> None:
    found = replace(timed(((), ())), energy=Energy(50.0, 5.0, idle_w=4.0))
    assert [row.value for row in found.energy_rows("image", "infer", 1 / 10, {})] == [5.0, 3.0]
    assert found.detail()["energy"] == {"window_s": 5.0, "timed_s": 2.0, "idle_w": 4.0}


def test_a_cuda_graph_is_refused_where_there_is_no_cuda() -> None:
    with pytest.raises(UserError, match="needs a CUDA GPU, not device 'cpu'"):
        latency.run(small("latency", cuda_graph=True), Notes())


def test_the_clock_is_read_ten_times_a_second_and_its_range_is_told() -> None:
    readings = iter([1980, 1755, 1410])
    moments = iter([0.0, 0.0, 0.05, 0.11, 0.11, 0.3, 0.3])
    probe = SimpleNamespace(slowed_by=lambda: (), sm_mhz=lambda: next(readings))
    watched = Watched(lambda: Timing(1.0), probe, lambda: next(moments))  # type: ignore[arg-type]
    for _ in range(4):
        watched()
    assert watched.clocks_mhz == [1980, 1755, 1410]
    found = replace(timed(((),)), clocks_mhz=tuple(watched.clocks_mhz))
    assert found.detail()["sm_mhz"] == {"lowest": 1410, "median": 1755, "highest": 1980}


def test_the_plan_of_a_round_is_in_the_case() -> None:
    plan = sampling_plan(Case("latency", "x", warmup=4).with_options(round_seconds=2.5, round_min_runs=7, target=0.02))
    assert (plan.warmup, plan.seconds, plan.min_runs, plan.target) == (4, 2.5, 7, 0.02)


def test_on_cuda_a_round_has_a_least_window_for_energy_and_percentiles() -> None:
    assert sampling_plan(Case("latency", "x", device="cuda:0")).least_seconds == 1.5
    assert sampling_plan(Case("latency", "x", device="cpu")).least_seconds == 0


def calls_of(seconds: list[float], log: list[int]) -> list[Callable[[], Timing]]:
    """Calls that say they take so long, and note who was called."""

    def call(place: int) -> Callable[[], Timing]:
        def timed() -> Timing:
            log.append(place)
            return Timing(seconds[place])

        return timed

    return [call(place) for place in range(len(seconds))]


def test_calls_take_turns_in_an_order_drawn_anew_and_keep_their_own_samples() -> None:
    log: list[int] = []
    case = Case("trajectory", "x", warmup=2).with_options(round_min_runs=5, round_max_runs=5, round_seconds=0.01)
    first, second, third = take_turns(calls_of([1.0, 2.0, 3.0], log), torch.device("cpu"), case, Notes())
    turns = [tuple(log[start : start + 3]) for start in range(0, len(log), 3)]
    assert all(sorted(turn) == [0, 1, 2] for turn in turns) and len(set(turns)) > 1
    assert [[sample.total for sample in item.samples] for item in (first, second, third)] == [
        [1.0] * 5,
        [2.0] * 5,
        [3.0] * 5,
    ]
    assert len(first.warmup) == len(turns) - 5 >= 2
    assert len(third.slowed) == 5 and first.steady
