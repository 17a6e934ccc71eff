"""`segbench calibrate`, with a GPU and an answer made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from segbench.cells.cell import Listener
from segbench.cells.cell import Result as CellResult
from segbench.cells.executor import LocalExecutor
from segbench.cli import calibrate, session
from segbench.devices.calibrations import calibration_of
from segbench.devices.choice import Device
from segbench.records.case import Case
from segbench.records.measurement import Measurement
from tests.cli.conftest import ENVIRONMENT

Segbench = Callable[..., Result]
CONVOLUTION = {"channels": 64, "filters": 128, "side": 32, "kernel": 3, "stride": 2, "dilation": 1, "groups": 1}
DETAIL = {
    "gpu": "NVIDIA L4",
    "capability": [8, 9],
    "torch": "2.13.0",
    "workspaces": "expected",
    "convolutions": [
        {
            "convolution": {**CONVOLUTION, "half": True},
            "direction": "forward",
            "taken": 2**20,
            "models": {"none": 0, "expected": 2**21, "upper": 2**22},
        }
    ],
    "attention": {"flash": 65536, "cudnn": None},
}


def answer(case: Case, _timeout: float, _listen: Listener) -> CellResult:
    rows = (
        Measurement("context_bytes", 400 * 2**20, "measured:nvml", detail=DETAIL),
        Measurement("cublas_workspace_bytes", 8 * 2**20, "measured:cuda"),
    )
    return CellResult(case, "ok", None, ENVIRONMENT, rows, 20.0)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(calibrate, "choose_device", lambda *_: Device("cuda:0", "NVIDIA L4"))
    monkeypatch.setattr(session, "local_executor", lambda *_: LocalExecutor(answer, workers=1))


def test_what_was_found_is_shown_and_kept_for_predictions(gpu: None, segbench: Segbench) -> None:
    result = segbench("calibrate")
    assert result.exit_code == 0
    for text in ("400 MiB", "3x3, 64 to 128, 32x32, stride 2, float16", "--workspaces expected", "64.0 KiB"):
        assert text in result.stdout
    found = calibration_of("l4")
    assert found is not None and found.assumptions()["context_bytes"] == 400 * 2**20


def test_without_a_gpu_it_says_so(segbench: Segbench) -> None:
    result = segbench("calibrate", "--device", "cpu")
    assert result.exit_code == 2
    assert "calibrate measures a CUDA GPU" in result.stderr
