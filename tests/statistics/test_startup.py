"""What every command imports must not cost what few of them use."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["statistics.comparison", "statistics.pairing", "statistics.gates", "cells.parts"])
def test_neither_numpy_nor_scipy_is_imported_before_something_is_computed(module: str) -> None:
    code = f"import sys, segbench.{module}; print(sorted({{'numpy', 'scipy', 'torch'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
