"""`segbench models`, and networks of a library in real processes, with a fake of the library on their path."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

LIBRARY = """
from types import SimpleNamespace
from torch import nn

class Unet(nn.Conv2d):
    requires_divisible_input_shape = True

    def __init__(self, classes, encoder_name="resnet34", encoder_weights="imagenet", in_channels=3):
        assert encoder_weights is None
        super().__init__(in_channels, classes, 1)
        self.encoder = SimpleNamespace(output_stride=32)

MODEL_ARCHITECTURES_MAPPING = {"unet": Unet}
encoders = SimpleNamespace(get_encoder_names=lambda: ["resnet34"])
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    (tmp_path / "segmentation_models_pytorch.py").write_text(LIBRARY)
    return tmp_path


def called(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200"}
    command = [sys.executable, "-m", "segbench", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)


def test_what_a_library_has_is_listed_by_a_child(library: Path) -> None:
    shown = called(library, "models", "--source", "smp")
    assert shown.returncode == 0 and "smp:Unet" in shown.stdout and "resnet34" in shown.stdout, shown.stderr


def test_a_source_that_is_none_is_answered_with_the_near_name(tmp_path: Path) -> None:
    shown = called(tmp_path, "models", "--source", "tim")
    assert shown.returncode == 2 and "did you mean timm?" in shown.stderr


@pytest.mark.skipif(find_spec("segmentation_models_pytorch") is not None, reason="the library is installed")
def test_a_missing_library_is_one_sentence_and_the_users_mistake(tmp_path: Path) -> None:
    shown = called(tmp_path, "models", "--source", "smp")
    assert shown.returncode == 2 and shown.stderr.strip() == (
        "segbench: smp: networks need segmentation_models_pytorch, which is not installed; pip install 'segbench[smp]'"
    )


def test_a_librarys_network_is_predicted_at_a_size_that_it_takes(library: Path) -> None:
    words = ("memory", "-m", "smp:Unet?in_channels=4", "--device", "none", "-b", "2", "--input", "40x20")
    refused = called(library, *words)
    assert refused.returncode == 2 and "give --input 32x32 or 64x32, or pad with --pad" in refused.stderr
    padded = called(library, *words, "--pad")
    assert padded.returncode == 0 and "images of 40x20 are padded to 64x32" in padded.stderr, padded.stderr
