"""Calibrations are kept by GPU and found by any of its names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from segbench.cli import predicting
from segbench.cli.predicting import PredictionFlags
from segbench.devices.calibrations import Calibration, calibration_of, folder, store
from segbench.errors import UserError
from segbench.records.options import USUAL_CONTEXT, Assumptions
from segbench.units import MIB

H100 = Calibration("NVIDIA H100 80GB HBM3", (9, 0), "2.13.0", 430 * MIB, 33 * MIB, "upper", [], {"flash": 4096})


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    predicting._tell.cache_clear()


@pytest.mark.parametrize("name", ["NVIDIA H100 80GB HBM3", "h100-80gb", "H100"])
def test_a_gpu_is_found_by_its_name_or_by_words_of_it(name: str) -> None:
    path = store(H100)
    assert path.parent == folder()
    assert calibration_of(name) == H100


@pytest.mark.parametrize(
    "name", ["h200", "h100-96gb", "H100 PCIe MIG 1g.10gb", "32GB", "80GB", "nvidia", "9.0", "none", ""]
)
def test_another_gpu_has_none(name: str) -> None:
    store(H100)
    assert calibration_of(name) is None


@pytest.mark.parametrize(
    ("calibrated", "capability", "same", "others"),
    [
        ("NVIDIA GeForce RTX 4090 Laptop GPU", (8, 9), "4090 laptop", ("rtx-4090", "4090")),
        ("NVIDIA GeForce RTX 3080 Ti", (8, 6), "rtx-3080-ti", ("rtx-3080", "RTX 3080 SUPER")),
        ("NVIDIA RTX 5000 Ada Generation", (8, 9), "rtx 5000 ada", ("Quadro RTX 5000",)),
        ("Quadro RTX 5000 with Max-Q Design", (7, 5), "quadro rtx 5000 with max-q design", ("Quadro RTX 5000",)),
        ("Tesla V100-SXM2-32GB", (7, 0), "v100-32gb", ("v100-16gb", "V100-PCIE-32GB")),
    ],
)
def test_a_word_more_is_another_model_unless_it_says_maker_memory_or_form(
    calibrated: str, capability: tuple[int, int], same: str, others: tuple[str, ...]
) -> None:
    own = replace(H100, gpu=calibrated, capability=capability)
    store(own)
    assert calibration_of(same) == own
    assert [name for name in others if calibration_of(name)] == []


def test_a_calibration_of_another_compute_capability_is_another_gpus() -> None:
    store(replace(H100, capability=(8, 0)))
    assert calibration_of("h100") is None


def test_a_name_of_several_calibrated_gpus_is_refused_and_a_whole_name_is_not() -> None:
    pcie = replace(H100, gpu="NVIDIA H100 PCIe")
    store(H100), store(pcie)
    with pytest.raises(UserError, match="h100 may be NVIDIA H100 80GB HBM3 and NVIDIA H100 PCIe"):
        calibration_of("h100")
    assert calibration_of("NVIDIA H100 PCIe") == pcie


def test_the_first_gpu_that_is_known_is_meant_calibrated_or_not() -> None:
    store(H100)
    assert PredictionFlags().options(Assumptions, ("a100-40gb", H100.gpu)).capability == (8, 0)
    assert PredictionFlags().options(Assumptions, ("80GB", H100.gpu)).context_bytes == 430 * MIB


def test_a_later_calibration_replaces_the_earlier_one() -> None:
    store(H100)
    store(replace(H100, cublas_bytes=1))
    assert calibration_of("h100") == replace(H100, cublas_bytes=1)


def test_a_file_that_is_none_is_told_of() -> None:
    path = store(H100)
    text = path.read_text()
    for damaged, why in (
        ("{}", "gpu: "),
        ("[", "Invalid JSON"),
        (text.replace(str(430 * MIB), '"a"'), "context_bytes: "),
    ):
        path.write_text(damaged)
        with pytest.raises(UserError, match=rf"is no calibration \({why}.*\); remove it"):
            calibration_of("h100")


def test_predictions_for_a_calibrated_gpu_take_its_own_values_and_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    store(H100)
    found = PredictionFlags().options(Assumptions, ("h100-80gb", "none"))
    assert (found.context_bytes, found.cublas_bytes, found.workspaces) == (430 * MIB, 33 * MIB, "upper")
    assert found.capability == (9, 0)
    assert PredictionFlags(gpu="H100").options(Assumptions) == found
    assert capsys.readouterr().err.count("that calibrate found on NVIDIA H100 80GB HBM3 (torch 2.13.0)") == 1
    assert PredictionFlags().options(Assumptions, ("v100-32gb",)).context_bytes == USUAL_CONTEXT


def test_what_the_user_says_goes_before_a_calibration() -> None:
    store(replace(H100, workspaces="expected"))
    given = PredictionFlags(context="1GiB", cublas="2MiB", workspaces="upper").options(Assumptions, ("h100",))
    assert (given.context_bytes, given.cublas_bytes, given.workspaces) == (2**30, 2 * MIB, "upper")


def test_a_context_that_could_not_be_told_is_the_usual_one() -> None:
    store(replace(H100, context_bytes=None))
    assert PredictionFlags().options(Assumptions, ("h100",)).context_bytes == USUAL_CONTEXT
