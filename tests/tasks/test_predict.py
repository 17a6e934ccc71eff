"""The predicting tasks, run in this process with a fake reporter over the smallest card."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from segbench.errors import UserError
from segbench.estimate.overheads import MODERN_CONTEXT, Overheads
from segbench.estimate.step import Traced
from segbench.records.case import Case
from segbench.tasks import max_batch, max_input, memory, predict, snapshot
from segbench.tasks.predict import Tracer, workload_on_meta
from segbench.units import GIB, MIB
from segbench.workload.step import Workload

if TYPE_CHECKING:
    from tests.tasks.conftest import Collected

CASE = Case("predict", "unet-w8", device="none", width=128, height=96, batch_size=4, infer_batch=2)


def test_every_memory_quantity_is_predicted_and_says_so(report: Collected) -> None:
    predict.run(CASE, report)
    kinds = ("live", "allocated", "reserved", "process")
    names = {f"{mode}_peak_{kind}_bytes" for mode in ("train", "infer") for kind in kinds}
    assert names | {
        "parameters",
        "trainable_parameters",
        "train_first_step_peak_bytes",
        "infer_first_step_peak_bytes",
    } == set(report.rows)
    assert {row.method for name, row in report.rows.items() if "parameters" not in name} == {"predicted"}
    values = [report.rows[f"train_peak_{kind}_bytes"].value or 0 for kind in kinds]
    assert values == sorted(values), "live <= allocated <= reserved <= process"
    assert values[3] - values[2] == MODERN_CONTEXT
    assert report.rows["train_peak_live_bytes"].factors == {"batch_size": 4}
    assert report.rows["infer_peak_live_bytes"].factors == {"batch_size": 2}
    assert not report.notes


def test_the_detail_explains_the_peak_and_adds_up(report: Collected) -> None:
    predict.run(CASE.with_options(timeline=True), report)
    row = report.rows["train_peak_live_bytes"]
    assert sum(row.detail["breakdown"].values()) == row.value
    assert sum(row.detail["modules"].values()) == row.value
    assert row.detail["largest"][0]["bytes"] == max(item["bytes"] for item in row.detail["largest"])
    most = max(sum(values) for values in zip(*row.detail["timeline"]["bytes"].values(), strict=True))
    assert most == row.value
    assert [name for _, name in row.detail["timeline"]["phases"]][:2] == ["forward", "backward"]


def test_context_and_workspaces_are_inputs(report: Collected) -> None:
    predict.run(CASE, report)
    plain = {name: row.value or 0 for name, row in report.rows.items()}
    predict.run(CASE.with_options(context_bytes=300 * MIB, workspaces="upper"), report)
    process, reserved = (report.rows[f"train_peak_{kind}_bytes"].value or 0 for kind in ("process", "reserved"))
    assert process - reserved == 300 * MIB
    assert reserved != plain["train_peak_reserved_bytes"], "more or less: what is cached is used otherwise"
    assert report.rows["train_peak_live_bytes"].value == plain["train_peak_live_bytes"], "workspaces are no tensors"


def test_real_images_are_not_opened_for_a_prediction(report: Collected) -> None:
    predict.run(Case.from_json({**CASE.to_json(), "dataset": "camvid", "data_root": "/nowhere"}), report)
    assert report.rows["train_peak_live_bytes"].value


def test_autotuning_and_channels_last_is_warned_about(report: Collected) -> None:
    predict.run(Case.from_json({**CASE.to_json(), "cudnn_benchmark": True, "channels_last": True}), report)
    assert any("cudnn.benchmark" in sentence for sentence in report.notes)
    assert any("channels_last" in sentence for sentence in report.notes)


def test_a_compiled_network_is_refused(report: Collected) -> None:
    with pytest.raises(UserError, match="cannot be predicted"):
        predict.run(Case.from_json({**CASE.to_json(), "compile": True}), report)


def test_an_adaptive_solver_is_noted(report: Collected) -> None:
    case = Case("predict", "segnode-w8", device="none", width=64, height=48, modes=("infer",))
    predict.run(case.with_arguments(solver="bosh3", gradient="adjoint"), report)
    assert any("--nfe" in sentence for sentence in report.notes)


def test_the_largest_batch_fits_its_budget_and_the_next_does_not(report: Collected) -> None:
    case = Case.from_json({**CASE.to_json(), "task": "max_batch", "budget_bytes": GIB, "modes": ["train"]})
    max_batch.run(case, report)
    fits, fails = report.rows["max_batch"], report.rows["max_batch_fails_at"]
    assert fits.value is not None
    assert fails.value == fits.value + 1
    assert fits.detail["used"]["reserved_peak"] + MODERN_CONTEXT <= GIB
    assert fits.detail["needed"]["reserved_peak"] + MODERN_CONTEXT > GIB
    assert len(fits.detail["line"]) == 2


@pytest.mark.parametrize("mode", ["train", "infer"])
def test_the_batch_that_does_not_fit_is_traced(report: Collected, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    batches: list[int] = []

    def tracing(tracer: Tracer, case: Case, mode: str, batch: int, overheads: Overheads) -> Traced:
        batches.append(batch)
        return step(tracer, case, mode, batch, overheads)

    step = Tracer.step
    monkeypatch.setattr(Tracer, "step", tracing)
    max_batch.run(Case.from_json({**CASE.to_json(), "task": "max_batch", "budget_bytes": GIB, "modes": [mode]}), report)
    fails_at = report.rows["max_batch_fails_at"].value
    assert fails_at in batches
    assert len(batches) == len(set(batches)) <= 4
    assert [batch for batch, _ in report.rows["max_batch"].detail["line"]] == [2, fails_at]


def test_a_budget_that_the_context_eats_up_leaves_nothing(report: Collected) -> None:
    case = Case.from_json({**CASE.to_json(), "task": "max_batch", "budget_bytes": 510 * MIB, "modes": ["train"]})
    max_batch.run(case, report)
    assert report.rows["max_batch"].value is None
    assert report.rows["max_batch"].outcome == "does_not_fit"
    assert "1 does not fit: it needs" in (report.rows["max_batch"].cause or "")
    assert report.rows["max_batch_fails_at"].value == 1


def test_the_largest_input_has_the_cases_aspect(report: Collected) -> None:
    case = Case.from_json(
        {**CASE.to_json(), "task": "max_input", "budget_bytes": GIB, "modes": ["infer"], "infer_batch": 1}
    )
    max_input.run(case, report)
    fits, fails = report.rows["max_input_pixels"], report.rows["max_input_fails_at_pixels"]
    assert (fits.value or 0) < (fails.value or 0)
    assert fits.factors["width"] * fits.factors["height"] == fits.value
    assert fits.factors["width"] / fits.factors["height"] == pytest.approx(4 / 3, rel=0.01)
    assert fails.factors["height"] == fits.factors["height"] + 8


def test_a_snapshot_is_a_pickle_of_the_first_mode(report: Collected, tmp_path: Path) -> None:
    path = tmp_path / "step.pickle"
    snapshot.run(Case.from_json({**CASE.to_json(), "task": "snapshot"}).with_options(path=str(path)), report)
    assert {"segments", "device_traces"} <= set(pickle.loads(path.read_bytes()))


ATTENDING = """
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
class Attending(nn.Module):
    def __init__(self, classes=11):
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 16, 4, 4), nn.ConvTranspose2d(16, classes, 4, 4)
    def forward(self, images):
        features = self.stem(images)
        tokens = features.flatten(2).transpose(1, 2).unsqueeze(1).contiguous()
        mixed = scaled_dot_product_attention(tokens, tokens, tokens)
        return self.head(mixed.squeeze(1).transpose(1, 2).view_as(features))
"""


@pytest.fixture
def attending(tmp_path: Path) -> Case:
    path = tmp_path / "attending.py"
    path.write_text(ATTENDING)
    return Case("predict", f"{path}:Attending", device="none", width=64, height=48, batch_size=2, modes=("train",))


def test_the_kernel_of_attention_is_told_and_can_be_chosen(report: Collected, attending: Case) -> None:
    predict.run(attending, report)
    usual = report.rows["train_peak_live_bytes"]
    assert usual.detail["attention"] == {"efficient: float32, heads of 16": 1}
    assert any("efficient: float32, heads of 16" in sentence and "--attention" in sentence for sentence in report.notes)
    predict.run(attending.with_options(attention="math"), report)
    assert (report.rows["train_peak_live_bytes"].value or 0) > (usual.value or 0)


def test_an_unknown_kernel_of_attention_is_refused(report: Collected, attending: Case) -> None:
    with pytest.raises(UserError, match="'flash', 'efficient', 'cudnn' or 'math'"):
        predict.run(attending.with_options(attention="fast"), report)


READS_WEIGHTS = """
from torch import nn
class ReadsWeights(nn.Module):
    def __init__(self, classes=11):
        super().__init__()
        self.head = nn.Conv2d(3, classes, 1)
        self.total = float(self.head.weight.detach().numpy().sum())
    def forward(self, images):
        return self.head(images)
class Plain(ReadsWeights):
    def __init__(self, classes=11):
        nn.Module.__init__(self)
        self.head = nn.Conv2d(3, classes, 1)
class Fixed(Plain):
    def __init__(self):
        super().__init__(19)
class OwnLoss(Plain):
    def training_loss(self, images, labels):
        scores = nn.functional.pad(self(images), (0, 0, 0, 0, 0, 1))  # a further class: none of the others
        return nn.functional.cross_entropy(scores, labels)
"""


def own(tmp_path: Path, name: str, **changes: Any) -> Case:
    path = tmp_path / "own.py"
    path.write_text(READS_WEIGHTS)
    return Case("predict", f"{path}:{name}", device="none", width=64, height=48, batch_size=2, **changes)


SIZED = """
from torch import nn
class Sized(nn.Module):
    def __init__(self, classes=11, input_hw=None):
        super().__init__()
        height, width = input_hw
        self.head, self.place = nn.Conv2d(3, classes, 1), nn.Linear(width, width)
    def forward(self, images):
        return self.place(self.head(images))
"""


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("network", ["unet-w8", "unet-w8+checkpoint", "hrnetv2-small", "Plain", "Sized"])
def test_steps_of_one_tracer_are_those_of_several(tmp_path: Path, network: str, mode: str) -> None:
    path = tmp_path / "networks.py"
    path.write_text(READS_WEIGHTS + SIZED)
    name = f"{path}:{network}" if network[0].isupper() else network
    tracer, case = Tracer(), replace(CASE, model=name)
    for width, height, batch in ((128, 96, 2), (128, 96, 3), (96, 64, 1), (128, 96, 2)):
        sized = replace(case, width=width, height=height)
        found, other = (one.step(sized, mode, batch) for one in (tracer, Tracer()))
        assert replace(found, start=None) == replace(other, start=None)
        assert tracer.workload.case == replace(sized, dataset=None)


@pytest.mark.parametrize(
    ("network", "of_batches", "of_sizes"), [("unet-w8", 1, 1), ("Plain", 3, 3), ("Sized", 3, 3), ("ReadsWeights", 3, 3)]
)
def test_a_network_is_built_once_where_it_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str, of_batches: int, of_sizes: int
) -> None:
    built: list[Case] = []

    def building(case: Case) -> Workload:
        built.append(case)
        return workload_on_meta(case)

    monkeypatch.setattr(predict, "workload_on_meta", building)
    path = tmp_path / "networks.py"
    path.write_text(READS_WEIGHTS + SIZED)
    case = CASE if network == "unet-w8" else replace(CASE, model=f"{path}:{network}")
    tracer = Tracer()
    for batch in (1, 2, 3):
        tracer.step(case, "train", batch)
    assert len(built) == of_batches
    tracer, built[:] = Tracer(), []
    for width in (128, 96, 64):
        tracer.step(replace(case, width=width), "infer", 1)
    assert len(built) == of_sizes


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_network_that_meta_cannot_build_is_built_on_the_cpu(
    report: Collected, tmp_path: Path, precision: str
) -> None:
    predict.run(own(tmp_path, "ReadsWeights", precision=precision), report)
    found = {name: row.value for name, row in report.rows.items()}
    predict.run(own(tmp_path, "Plain", precision=precision), report)
    assert found == {name: row.value for name, row in report.rows.items()}


@pytest.mark.parametrize("mode", ["train", "infer"])
def test_a_network_of_other_classes_is_refused(report: Collected, tmp_path: Path, mode: str) -> None:
    with pytest.raises(UserError, match="gives 19 classes, asked are 11; use --classes 19"):
        predict.run(own(tmp_path, "Fixed", modes=(mode,)), report)
    assert not report.rows
    predict.run(own(tmp_path, "Fixed", modes=(mode,), classes=19), report)
    assert report.rows


def test_a_loss_of_the_networks_own_may_read_other_classes(report: Collected, tmp_path: Path) -> None:
    predict.run(own(tmp_path, "OwnLoss"), report)
    assert report.rows["train_peak_live_bytes"].value


def test_live_bytes_can_be_predicted_for_the_cpu_and_are_those_of_a_real_step(
    report: Collected, tmp_path: Path
) -> None:
    case = own(tmp_path, "OwnLoss", modes=("train",))
    predict.run(case.with_options(target="cpu"), report)
    predicted = report.rows["train_peak_live_bytes"]
    assert "train_peak_allocated_bytes" not in report.rows
    memory.run(case.for_task("memory", device="cpu", options={"context_bytes": None}), report)
    assert (predicted.method, predicted.value) == ("predicted", report.rows["train_peak_live_bytes"].value)


def test_a_network_of_other_classes_is_refused_by_searches_too(report: Collected, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="use --classes 19"):
        max_batch.run(own(tmp_path, "Fixed", budget_bytes=GIB), report)


def test_the_gpu_decides_between_kernels_of_attention(report: Collected, attending: Case) -> None:
    halves = Case.from_json({**attending.to_json(), "precision": "fp16"})
    kernels = {}
    for capability in ((7, 0), (8, 0), (9, 0)):
        predict.run(halves.with_options(capability=capability), report)
        kernels[capability] = next(iter(report.rows["train_peak_live_bytes"].detail["attention"])).partition(":")[0]
    assert kernels == {(7, 0): "efficient", (8, 0): "flash", (9, 0): "cudnn"}
    assert "capability 9.0" in report.notes[-1]


def test_older_releases_kept_more(report: Collected) -> None:
    predict.run(CASE, report)
    today = report.rows["train_peak_live_bytes"].value or 0
    predict.run(CASE.with_options(assume_torch="1.8"), report)
    assert (report.rows["train_peak_live_bytes"].value or 0) > today


def test_expected_workspaces_raise_what_the_allocator_hands_out(report: Collected) -> None:
    wide = replace(CASE, model="unet", infer_batch=8)
    predict.run(wide.with_options(workspaces="none"), report)
    plain = {name: row.value or 0 for name, row in report.rows.items()}
    predict.run(wide.with_options(workspaces="expected"), report)
    assert (report.rows["infer_peak_allocated_bytes"].value or 0) > plain["infer_peak_allocated_bytes"]
    assert report.rows["infer_peak_live_bytes"].value == plain["infer_peak_live_bytes"]


@pytest.mark.parametrize(
    ("workspaces", "precision", "has"),
    [("expected", "fp32", True), ("none", "fp32", False), ("expected", "bf16", False)],
)
def test_a_trainings_allocated_and_reserved_bytes_come_with_an_interval_that_says_where_it_is_from(
    report: Collected, workspaces: str, precision: str, has: bool
) -> None:
    predict.run(replace(CASE.with_options(workspaces=workspaces), precision=precision), report)
    for name in ("train_peak_live_bytes", "infer_peak_allocated_bytes", "infer_peak_reserved_bytes"):
        assert "interval" not in report.rows[name].detail, "of inferences nothing was published"
    assert any("no interval is told in mixed precision" in note for note in report.notes) == (precision != "fp32")
    for kind in ("allocated", "reserved"):
        row = report.rows[f"train_peak_{kind}_bytes"]
        assert ("interval" in row.detail) == has
        if has:
            low, high = row.detail["interval"]
            assert low < (row.value or 0) < high
            assert "published trainings" in row.detail["interval_source"]


def test_an_adaptive_network_is_predicted_as_if_every_part_were_computed_and_no_line_of_code_is_named(
    report: Collected,
) -> None:
    predict.run(replace(CASE, model="layer-cascade-small", modes=("infer",)), report)
    assert sum("as if every part were computed" in note for note in report.notes) == 1
    assert not any(".py:" in note for note in report.notes)
