from __future__ import annotations

import pytest

from segbench.cli.predicting import PredictionFlags
from segbench.devices.budgets import GPU_BUDGETS, compute_capability, cublas_workspace, parse_budget
from segbench.errors import UserError
from segbench.estimate.overheads import CUBLAS_WORKSPACE, MODERN_CONTEXT
from segbench.records.options import USUAL_CONTEXT, Assumptions
from segbench.units import GIB, MIB, parse_bytes


def test_an_amount_means_what_it_says() -> None:
    assert parse_budget("32GB").bytes == 32 * 10**9
    assert parse_budget("32GiB").bytes == 32 * 2**30
    assert parse_budget("23.5GiB").name == "23.5GiB"


@pytest.mark.parametrize("text", ["v100-32gb", "V100-32GB", "V100 32GB", " v100_32gb "])
def test_a_card_is_found_however_it_is_typed(text: str) -> None:
    assert parse_budget(text) is GPU_BUDGETS["v100-32gb"]


def test_every_card_offers_less_than_its_box_says_and_names_its_source() -> None:
    boxes = {"v100-32gb": 32, "rtx-4090": 24, "t4": 16, "a100-80gb": 80, "h100-80gb": 80, "h200": 141, "l4": 24}
    for name, gib in boxes.items():
        assert 0.9 * gib * GIB < GPU_BUDGETS[name].bytes < gib * GIB
    assert all("#" in gpu.source or "thundergolfer" in gpu.source for gpu in GPU_BUDGETS.values())


def test_an_unknown_card_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match="rtx-4090"):
        parse_budget("rtx-4080")


def test_an_amount_without_a_sensible_unit_is_refused() -> None:
    with pytest.raises(UserError, match="not an amount of memory"):
        parse_budget("32 parsecs")


def test_both_sides_of_the_process_boundary_and_the_flag_take_the_same_context() -> None:
    assert parse_bytes(PredictionFlags().context) == USUAL_CONTEXT == MODERN_CONTEXT


@pytest.mark.parametrize(
    ("name", "capability", "mib"),
    [
        ("h100-80gb", "9.0", 32),
        ("NVIDIA H100 80GB HBM3", "9.0", 32),
        ("NVIDIA GH200 480GB", "9.0", 32),
        ("NVIDIA B200", "10.0", 32),
        ("rtx-5090", "12.0", 32),
        ("NVIDIA GeForce RTX 5070 Ti", "12.0", 32),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "12.0", 32),
        ("v100-32gb", None, 8.125),
        ("NVIDIA A100-SXM4-80GB", None, 8.125),
        ("NVIDIA RTX 5000 Ada Generation", None, 8.125),
        ("rtx-4090", None, 8.125),
        ("32GB", None, 8.125),
    ],
)
def test_cublas_has_the_workspace_of_the_gpu_s_compute_capability(
    name: str, capability: str | None, mib: float
) -> None:
    assert compute_capability(name) == capability
    assert cublas_workspace(name) == mib * MIB


def test_both_sides_of_the_process_boundary_take_the_same_usual_workspace() -> None:
    assert cublas_workspace("v100-32gb") == CUBLAS_WORKSPACE


def test_a_prediction_for_a_named_gpu_has_its_workspace_unless_one_is_given() -> None:
    flags = PredictionFlags()
    assert flags.options(Assumptions, ("h100-80gb", "none")).cublas_bytes == 32 * MIB
    assert flags.options(Assumptions, ("32GB", "NVIDIA H200")).cublas_bytes == 32 * MIB
    assert flags.options(Assumptions, ("v100-32gb", "none")).cublas_bytes is None
    assert PredictionFlags(cublas="1MiB").options(Assumptions, ("h100-80gb",)).cublas_bytes == MIB
