"""What several test files need: real data where it lies, and entries made by hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segbench.records.case import Case
from segbench.records.environment import Environment
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real data sets; skips where there is none."""
    folder = os.environ.get("SEGBENCH_DATA")
    if not folder or not (Path(folder) / "fixtures").is_dir():
        pytest.skip("SEGBENCH_DATA does not name a folder with fixtures/ and camvid/")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded data sets are kept in a folder of the tests, not in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def environment() -> Environment:
    return Environment("cpu", "Test CPU", "2.13.0", "3.11", "Linux", "0123", threads=1)


@pytest.fixture
def make_entry(environment: Environment) -> Callable[..., Entry]:
    """An entry with the given model, case and measurements, anything else made up."""

    def make(model: str = "unet", *measurements: Measurement, **changes: object) -> Entry:
        values: dict[str, object] = {
            "run": "20261121-101500-abcdef-01",
            "key": f"key-{model}",
            "model": model,
            "card_hash": "0",
            "arguments": {},
            "case": Case("memory", model),
            "environment": environment,
            "outcome": "ok",
            "cause": None,
            "measurements": measurements,
            "seconds": 1.0,
            "finished": "2026-11-21T10:15:00+00:00",
        }
        return Entry(**{**values, **changes})  # type: ignore[arg-type]

    return make
