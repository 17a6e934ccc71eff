"""Calibrations are kept by GPU and found by any of its names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from segbench.cli.predicting import PredictionFlags
from segbench.devices.calibrations import Calibration, calibration_of, folder, store
from segbench.errors import UserError
from segbench.records.options import USUAL_CONTEXT, Assumptions
from segbench.units import MIB

H100 = Calibration("NVIDIA H100 80GB HBM3", (9, 0), "2.13.0", 430 * MIB, 33 * MIB, "upper", [], {"flash": 4096})


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.mark.parametrize("name", ["NVIDIA H100 80GB HBM3", "h100-80gb", "H100"])
def test_a_gpu_is_found_by_its_name_or_by_words_of_it(name: str) -> None:
    path = store(H100)
    assert path.parent == folder()
    assert calibration_of(name) == H100


@pytest.mark.parametrize("name", ["h200", "h100-96gb", "32GB", "none", ""])
def test_another_gpu_has_none(name: str) -> None:
    store(H100)
    assert calibration_of(name) is None


def test_a_later_calibration_replaces_the_earlier_one() -> None:
    store(H100)
    store(replace(H100, cublas_bytes=1))
    assert calibration_of("h100") == replace(H100, cublas_bytes=1)


def test_a_file_that_is_none_is_told_of() -> None:
    store(H100).write_text("{}")
    with pytest.raises(UserError, match="is no calibration; remove it"):
        calibration_of("h100")


def test_predictions_for_a_calibrated_gpu_take_its_own_values_and_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    store(H100)
    found = PredictionFlags().options(Assumptions, ("h100-80gb", "none"))
    assert (found.context_bytes, found.cublas_bytes, found.workspaces) == (430 * MIB, 33 * MIB, "upper")
    assert found.capability == (9, 0)
    assert "that calibrate found on NVIDIA H100 80GB HBM3 (torch 2.13.0)" in capsys.readouterr().err
    assert PredictionFlags(gpu="H100").options(Assumptions) == found
    assert PredictionFlags().options(Assumptions, ("v100-32gb",)).context_bytes == USUAL_CONTEXT


def test_what_the_user_says_goes_before_a_calibration() -> None:
    store(replace(H100, workspaces="expected"))
    given = PredictionFlags(context="1GiB", cublas="2MiB", workspaces="upper").options(Assumptions, ("h100",))
    assert (given.context_bytes, given.cublas_bytes, given.workspaces) == (2**30, 2 * MIB, "upper")


def test_a_context_that_could_not_be_told_is_the_usual_one() -> None:
    store(replace(H100, context_bytes=None))
    assert PredictionFlags().options(Assumptions, ("h100",)).context_bytes == USUAL_CONTEXT
