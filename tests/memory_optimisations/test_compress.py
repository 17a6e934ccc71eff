from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from segbench.memory_optimisations import compress
from segbench.memory_optimisations.compress import GROUP, EightBits, quantise, restore
from segbench.memory_optimisations.saved_tensors import Layout


def again(values: Tensor) -> Tensor:
    found = torch.empty_like(values)
    restore(quantise(values), found)
    return found


@given(st.integers(1, 3 * GROUP), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.booleans(), st.integers(0, 2**32 - 1))
def test_a_value_is_off_by_a_step_at_most_and_keeps_its_sign(
    count: int, middle: float, width: float, rectified: bool, seed: int
) -> None:
    values = middle + width * torch.randn(count, generator=torch.Generator().manual_seed(seed))
    values = values.relu() if rectified else values
    found = again(values)
    for group, back in zip(values.split(GROUP), found.split(GROUP), strict=True):
        step = float(group.max() - group.min()) / 254
        assert float((group - back).abs().max()) <= 1.001 * step + 1e-6 * float(group.abs().max())
    assert torch.equal(found.sign(), values.sign())


def test_values_between_zero_and_half_a_step_stay_positive_and_others_go_to_the_nearest() -> None:
    values = torch.tensor([0.0, 254.0, 0.2, 100.4, 100.6])
    torch.testing.assert_close(again(values), torch.tensor([0.0, 254.0, 1.0, 100.0, 101.0]))


@pytest.mark.parametrize("value", [0.0, 3.5, -7.25, 1e-30, -3e38])
def test_a_constant_survives(value: float) -> None:
    values = torch.full((300,), value)
    assert torch.equal(again(values), values)


def test_a_number_takes_a_byte_and_a_group_two_floats_more() -> None:
    codes = quantise(torch.randn(10 * GROUP))
    assert codes.codes.nbytes + codes.lowest.nbytes + codes.steps.nbytes == 10 * (GROUP + 8)


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.randn(5 * GROUP + 3)
    whole = again(values)
    monkeypatch.setattr(compress, "_CHUNK", 2 * GROUP)
    assert torch.equal(again(values), whole)


@pytest.mark.parametrize("layout", ["contiguous", "channels last", "part of a larger tensor", "expanded"])
def test_layouts_come_back(layout: str) -> None:
    maps = torch.randn(2, 8, 6, 10)
    if layout == "channels last":
        maps = maps.contiguous(memory_format=torch.channels_last)
    elif layout == "part of a larger tensor":
        maps = maps[:, 2:5]
    elif layout == "expanded":
        maps = maps[:1].expand(4, 8, 6, 10)
    codec = EightBits()
    found = codec.decode(codec.encode(maps), Layout.of(maps))
    assert float((found - maps).abs().max()) < 0.05
    assert found.shape == maps.shape and (found.stride() == maps.stride()) == (
        layout in ("contiguous", "channels last")
    )
