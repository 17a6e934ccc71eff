"""What is marked `libraries` runs with the real libraries of networks, by `make test-libraries`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

NEEDED = ("segmentation_models_pytorch", "timm", "torchvision", "transformers", "mmseg")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips where a library is missing; their own deprecations are not our errors."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    skip = pytest.mark.skip(reason=f"{', '.join(missing)} not installed; run make test-libraries")
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("libraries"):
            item.add_marker(skip if missing else pytest.mark.filterwarnings("default"))
