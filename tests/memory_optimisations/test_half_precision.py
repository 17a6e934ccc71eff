from __future__ import annotations

import pytest
import torch

from segbench.memory_optimisations.half_precision import Rounded
from segbench.memory_optimisations.saved_tensors import Layout


def again(values: list[float], dtype: torch.dtype) -> torch.Tensor:
    tensor, codec = torch.tensor(values), Rounded(dtype)
    kept = codec.encode(tensor)
    assert kept.dtype == dtype
    return codec.decode(kept, Layout.of(tensor))


def test_values_are_rounded_to_half_a_step_of_16_bits() -> None:
    for dtype in (torch.bfloat16, torch.float16):
        assert again([1.001], dtype).item() == pytest.approx(1.001, rel=torch.finfo(dtype).eps / 2)


def test_what_float16_cannot_hold_is_kept_as_its_largest_number() -> None:
    assert again([1e6, -1e6, 3.0], torch.float16).tolist() == [65504.0, -65504.0, 3.0]
    assert again([1e6], torch.bfloat16).item() == pytest.approx(1e6, rel=4e-3)


def test_what_has_16_bits_already_stays_itself() -> None:
    tensor = torch.ones(3, dtype=torch.float16)
    assert Rounded(torch.bfloat16).encode(tensor) is tensor
