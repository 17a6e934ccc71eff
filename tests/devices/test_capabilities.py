from __future__ import annotations

import pytest

from segbench.cli.predicting import PredictionFlags
from segbench.devices.budgets import GPU_BUDGETS
from segbench.devices.capabilities import compute_capability, cublas_workspace
from segbench.errors import UserError
from segbench.estimate.overheads import CUBLAS_WORKSPACE
from segbench.records.options import Assumptions
from segbench.units import MIB


@pytest.mark.parametrize(
    ("name", "capability", "mib"),
    [
        ("h100-80gb", (9, 0), 32),
        ("NVIDIA H100 80GB HBM3", (9, 0), 32),
        ("NVIDIA GH200 480GB", (9, 0), 32),
        ("NVIDIA B200", (10, 0), 32),
        ("NVIDIA GeForce RTX 5070 Ti", (12, 0), 32),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", (12, 0), 32),
        ("9.0", (9, 0), 32),
        ("v100", (7, 0), 8.125),
        ("Tesla V100-SXM2-32GB", (7, 0), 8.125),
        ("NVIDIA TITAN V", (7, 0), 8.125),
        ("NVIDIA TITAN RTX", (7, 5), 8.125),
        ("Quadro RTX 5000", (7, 5), 8.125),
        ("NVIDIA RTX A5000", (8, 6), 8.125),
        ("NVIDIA RTX 5000 Ada Generation", (8, 9), 8.125),
        ("NVIDIA A100-SXM4-80GB", (8, 0), 8.125),
        ("rtx-4090", (8, 9), 8.125),
        ("32GB", None, 8.125),
        ("9.0GB", None, 8.125),
        ("none", None, 8.125),
    ],
)
def test_a_name_tells_the_capability_and_with_it_the_workspace_of_cublas(
    name: str, capability: tuple[int, int] | None, mib: float
) -> None:
    assert compute_capability(name) == capability
    assert cublas_workspace(name) == mib * MIB


def test_every_gpu_that_is_a_budget_has_a_capability() -> None:
    assert [name for name in GPU_BUDGETS if compute_capability(name) is None] == []


def test_both_sides_of_the_process_boundary_take_the_same_usual_workspace() -> None:
    assert cublas_workspace("v100-32gb") == CUBLAS_WORKSPACE


@pytest.mark.parametrize(
    ("flags", "gpus", "expected"),
    [
        (PredictionFlags(), ("h100-80gb", "none"), (32 * MIB, (9, 0))),
        (PredictionFlags(), ("32GB", "NVIDIA H200"), (32 * MIB, (9, 0))),
        (PredictionFlags(), ("v100-32gb", "none"), (None, (7, 0))),
        (PredictionFlags(), ("32GB", "none"), (None, None)),
        (PredictionFlags(gpu="rtx-4090"), ("h100-80gb",), (None, (8, 9))),
        (PredictionFlags(cublas="1MiB"), ("h100-80gb",), (MIB, (9, 0))),
    ],
)
def test_a_prediction_has_the_traits_of_the_gpu_that_is_named(
    flags: PredictionFlags, gpus: tuple[str, ...], expected: tuple[int | None, tuple[int, int] | None]
) -> None:
    options = flags.options(Assumptions, gpus)
    assert (options.cublas_bytes, options.capability) == expected


def test_an_unknown_gpu_is_refused_with_names_that_are_known() -> None:
    with pytest.raises(UserError, match=r"RTX 9999.*v100-32gb"):
        PredictionFlags(gpu="RTX 9999").options(Assumptions)
