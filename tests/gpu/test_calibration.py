"""The calibration of a real GPU: quick, and near what predictions assume."""

from __future__ import annotations

import time

import pytest
import torch

from segbench.devices.capabilities import compute_capability, cublas_workspace
from segbench.records.case import Case
from segbench.tasks import calibrate
from tests.tasks.conftest import Collected

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")]


def test_a_gpu_is_calibrated_within_a_minute() -> None:
    report, started = Collected(), time.perf_counter()
    calibrate.run(Case("calibrate", "", device="cuda:0"), report)
    assert time.perf_counter() - started < 60
    detail = report.rows["context_bytes"].detail
    name = torch.cuda.get_device_name(0)
    assert tuple(detail["capability"]) == compute_capability(name)
    assert report.rows["cublas_workspace_bytes"].value == pytest.approx(cublas_workspace(name), rel=0.01)
    assert len(detail["convolutions"]) == 24
    assert detail["attention"]["efficient"] < detail["attention"]["math"]
