"""The command's own process never imports torch: that is what lets --help answer at once."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "arguments", [["--help"], ["models"], ["models", "segnode"], ["memory", "--help"], ["doctor"], ["datasets"]]
)
def test_torch_is_not_imported(arguments: list[str], tmp_path: object) -> None:
    program = (
        "import sys; from segbench.cli.main import app\n"
        f"try: app({arguments!r})\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = {'torch', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    child = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=str(tmp_path)
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout
