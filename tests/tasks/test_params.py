"""Counting falls back to the CPU for networks that cannot be built or run without data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from segbench.errors import CardError
from segbench.records.case import Case
from segbench.tasks import params

if TYPE_CHECKING:
    from tests.tasks.conftest import Collected

READS_A_VALUE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.rates = [rate.item() for rate in torch.linspace(0, 1, 3)]
        self.layer = nn.Conv2d(3, classes, 1)

    def forward(self, images):
        return self.layer(images)
"""


def test_a_builder_that_reads_values_is_counted_on_the_cpu(tmp_path: Path, report: Collected) -> None:
    (tmp_path / "net.py").write_text(READS_A_VALUE)
    case = Case("params", f"{tmp_path}/net.py:Net", width=8, height=4, classes=2, modes=("infer",))
    params.run(case.with_options(crosscheck=False), report)
    macs = report.rows["macs"]
    assert (macs.value, macs.detail["counted_on"]) == (8 * 4 * 3 * 2, "cpu")
    assert "counted on the CPU" in report.notes[0]


def test_a_builder_that_is_broken_everywhere_is_the_users_mistake(tmp_path: Path, report: Collected) -> None:
    (tmp_path / "net.py").write_text("def Net(): raise ValueError('no')\n")
    with pytest.raises(CardError, match="ValueError: no"):
        params.run(Case("params", f"{tmp_path}/net.py:Net", modes=("infer",)), report)
