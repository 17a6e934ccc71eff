"""The built wheel, installed into a fresh environment and run in a folder with a `models/` package of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = [pytest.mark.wheel, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[1]
USERS_NETWORK = """
from torch import nn

class Net(nn.Conv2d):
    def __init__(self, classes):
        super().__init__(3, classes, 3, padding=1)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that holds the wheel, and everything it depends on by a path."""
    folder = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)], folder)
    (wheel,) = folder.glob("*.whl")
    _run([sys.executable, "-m", "venv", str(folder / "venv")], folder)
    programs = folder / "venv" / "bin"
    _run([str(programs / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)], folder)
    # A plain path line makes the dependencies importable without following the checkout's own editable install.
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


@pytest.fixture
def users_folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("")
    (tmp_path / "models" / "unet.py").write_text(USERS_NETWORK)
    return tmp_path


def test_the_catalogue_is_in_the_wheel(installed: Path, users_folder: Path) -> None:
    listing = _run([str(installed / "segbench"), "models"], users_folder)
    assert "hrnetv2" in listing
    sets = _run([str(installed / "segbench"), "datasets", "show", "camvid", "--format", "markdown"], users_folder)
    assert "10 bicyclist" in sets
    where = _run([str(installed / "python"), "-c", "import segbench; print(segbench.__file__)"], users_folder)
    assert str(installed.parent) in where


@pytest.mark.parametrize("model", ["segnode-w8", "models.unet:Net", "models/unet.py:Net"])
def test_networks_are_measured_from_a_folder_with_its_own_models(
    installed: Path, users_folder: Path, model: str
) -> None:
    command = [str(installed / "segbench"), "memory", "-m", model, "--device", "cpu", "--input", "64x48"]
    assert "train_peak_live_bytes" in _run([*command, "--format", "csv"], users_folder)


def _run(command: list[str], folder: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout
