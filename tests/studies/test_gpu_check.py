"""The stages of a GPU's first check: what they ask, in which order, of which networks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from segbench.cards import card
from segbench.cards.catalogue import model_sets
from segbench.cards.model import find_models
from segbench.cells.executor import LocalExecutor
from segbench.devices.choice import Device
from segbench.records.case import Case
from segbench.records.options import EpochOptions, PredictOptions
from segbench.studies import gpu_check
from segbench.studies.gpu_check import CheckStage, check_stages, missing_packages, scale_for
from segbench.studies.planning import stage_of
from segbench.studies.study import Step
from segbench.studies.table2 import TABLE2

H100 = Device("cuda:0", "NVIDIA H100 80GB HBM3", 80 * 2**30)
CPU = Device("cpu", "Test CPU")


@pytest.fixture(autouse=True)
def _only_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is installed; the networks' sources, which are part of a key, are not read."""
    monkeypatch.setattr(gpu_check, "package_version", lambda _: None)
    monkeypatch.setattr(card, "source_text", lambda _: b"")


def stages(where: Device = H100) -> list[CheckStage]:
    return check_stages(where, scale_for(where), "runs")


def cases_of(step: Step, models: tuple[str, ...], where: Device = H100) -> list[Case]:
    return [cell.case for cell in stage_of(step, find_models(list(models)), where, [], LocalExecutor()).cells]


def asked(stage: CheckStage, where: Device = H100) -> list[Case]:
    return [case for part in stage.parts for case in cases_of(part.step, part.models, where)]


def every_case(where: Device = H100) -> list[Case]:
    return [case for stage in stages(where) for case in asked(stage, where)]


def test_memory_comes_first_and_training_last_of_what_is_asked_of_the_main_networks() -> None:
    order = [part.step.task for stage in stages() for part in stage.parts[-1:]]
    assert order[:5] == ["memory", "memory", "max_batch", "latency", "epoch"]
    assert order[-5:] == ["epoch", "gradients", "train", "max_batch", "epoch"]


@pytest.mark.parametrize("task", ["memory", "params", "max_batch"])
def test_what_is_measured_once_answers_reproduce_table_2_too(task: str) -> None:
    (step,) = (step for step in TABLE2.steps("cuda") if step.task == task)
    wanted = cases_of(step, TABLE2.models)
    assert set(wanted) <= {case for case in every_case() if case.device != "none"}


def test_every_measured_peak_has_a_prediction_for_this_very_gpu() -> None:
    cases = every_case()
    predicted = {
        replace(case, task="memory", device="cuda:0", warmup=3, options=None)
        for case in cases
        if case.task == "predict"
    }
    assert predicted == {case for case in cases if case.task == "memory"}
    options = [case.options_as(PredictOptions) for case in cases if case.task == "predict"]
    assert {(item.cublas_bytes, item.capability) for item in options} == {(32 * 2**20, (9, 0))}


def test_nothing_is_asked_twice() -> None:
    for where in (H100, CPU):
        assert [case for case, count in Counter(every_case(where)).items() if count > 1] == []


def test_ten_networks_of_other_kinds_differ_from_table_2s_in_all_that_moves_memory() -> None:
    cases = {case for case in asked(stages()[1]) if case.task == "memory"}
    assert len({(case.model, case.precision, case.channels_last, case.tf32, case.optimizer) for case in cases}) == 10
    assert {case.precision for case in cases} == {"fp32", "bf16", "fp16"}
    assert {case.channels_last for case in cases} == {True, False}
    assert any("+checkpoint" in case.model for case in cases)
    assert {case.precision for case in cases if "PatchAttention" in case.model} == {"fp32", "bf16"}
    assert any("reversible" in case.model for case in cases)


def test_networks_of_installed_packages_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_packages() == ["segmentation-models-pytorch", "torchvision"]
    monkeypatch.setattr(gpu_check, "package_version", lambda name: "1.0" if name == "torchvision" else None)
    models = {case.model for case in asked(stages()[1])}
    assert any(model.startswith("torchvision.models.segmentation:lraspp") for model in models)
    assert not any(model.startswith("segmentation_models_pytorch") for model in models)
    assert missing_packages() == ["segmentation-models-pytorch"]


def test_latency_is_taken_eager_as_a_graph_and_compiled_in_both_batches() -> None:
    found = {
        (case.cuda_graph, case.compile, case.infer_batch)
        for case in every_case()
        if case.task == "latency" and case.model in model_sets()["table2"]
    }
    assert found == {(g, c, b) for g, c in ((False, False), (True, False), (False, True)) for b in (1, 8)}


def test_rivals_are_trained_with_one_batch_and_their_own_number_of_images() -> None:
    (cases,) = ([*asked(stage)] for stage in stages() if "beside" in stage.title)
    assert {(case.model, case.batch_size, case.options_as(EpochOptions).images) for case in cases} == {
        ("hrnetv2", 16, 16),
        ("segnode", 16, 16),
    }


@pytest.mark.parametrize(("gib", "devices"), [(80, {"none", "cuda:0"}), (24, {"none"}), (None, {"none", "cuda:0"})])
def test_a_budget_that_the_gpu_does_not_have_is_only_predicted(gib: int | None, devices: set[str]) -> None:
    gpu = Device("cuda:0", "NVIDIA GeForce", None if gib is None else gib * 2**30)
    assert {case.device for case in every_case(gpu) if case.task == "max_batch"} == devices


def test_on_a_cpu_everything_is_small() -> None:
    cases = every_case(CPU)
    assert {(case.width, case.height) for case in cases} == {(64, 48)}
    assert {"memory", "latency", "epoch", "gradients", "train"} <= {case.task for case in cases if case.device == "cpu"}
    assert not any(case.compile or case.cuda_graph for case in cases)
