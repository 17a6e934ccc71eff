from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from segbench.records.case import Case
from segbench.tasks.environment import apply_case_switches


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("device", "threads", "taken"), [("none", None, 1), ("none", 2, 2), ("cpu", None, 2), ("cpu", 1, 1)]
)
def test_cases_on_no_device_have_one_thread_unless_told_otherwise(device: str, threads: int | None, taken: int) -> None:
    task = "predict" if device == "none" else "memory"
    apply_case_switches(Case(task, "unet-w8", device=device, threads=threads))
    assert torch.get_num_threads() == taken
