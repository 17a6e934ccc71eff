"""Networks whose code changes torch's global settings leave them, and the record, as they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from segbench.records.case import Case
from segbench.tasks.settings import under_its_settings
from segbench.workload.network import build_case_network
from segbench.workload.settings import _SETTINGS, kept_settings
from segbench.workload.step import build_workload

MEDDLES = """
import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.set_num_threads(3)

class Net(nn.Conv2d):
    def __init__(self, classes):
        torch.manual_seed(1234)
        torch.use_deterministic_algorithms(True)
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
        torch.set_grad_enabled(False)
        super().__init__(3, classes, 1)
"""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The tests' own settings come back even where they fail."""
    with kept_settings():
        torch.set_num_threads(1)
        yield


@pytest.fixture
def net(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(MEDDLES)
    return f"{tmp_path / 'net.py'}:Net"


def settings() -> dict[str, object]:
    return {name: read() for name, (read, _) in _SETTINGS.items()}


def test_what_a_networks_code_sets_is_put_back(net: str) -> None:
    before = settings()
    network = build_case_network(Case("memory", net, width=8, height=4))
    assert settings() == before
    assert network.weight.dtype == torch.float32  # type: ignore[union-attr]


def test_a_network_that_seeds_itself_sees_the_cases_images(net: str) -> None:
    images, weights = [], []
    for seed in (1, 2):
        workload = build_workload(Case("memory", net, width=8, height=4, seed=seed), "cpu")
        images.append(workload.make_batch()[0])
        weights.append(workload.network.weight)
    assert not torch.equal(*images)
    assert torch.equal(*weights)  # type: ignore[arg-type]


def test_a_change_while_a_task_runs_becomes_a_note_and_is_put_back() -> None:
    notes: list[str] = []

    class Report:
        def note(self, sentence: str) -> None:
            notes.append(sentence)

    before = settings()
    under_its_settings(lambda case, report: torch.set_num_threads(2))(Case("memory", "mine"), Report())  # type: ignore[arg-type]
    assert settings() == before
    assert len(notes) == 1 and "mine: while it ran, torch's number of threads was changed from 1 to 2" in notes[0]


def test_a_task_that_changes_nothing_is_silent() -> None:
    heard: list[str] = []
    with kept_settings(heard.append):
        torch.ones(2) @ torch.ones(2)
    assert heard == []


@pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="PyTorch before 2.9 has no fp32_precision")
@pytest.mark.parametrize("holder", [torch.backends, torch.backends.cuda.matmul], ids=["all", "matmul"])
def test_tf32_set_in_its_new_form_is_put_back_in_its_old_one(holder: Any) -> None:
    """PyTorch may refuse to read the old form after that."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    before = settings()
    with kept_settings():
        holder.fp32_precision = "tf32"
        assert holder.fp32_precision == "tf32"
    assert settings() == before
