from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segbench.data.coco_rle import mask, run_lengths


def encode(lengths: list[int]) -> str:
    """The format written down again from its description, one number after the other."""
    text = ""
    for position, length in enumerate(lengths):
        value = length - lengths[position - 2] if position > 2 else length
        while True:
            group, value = value & 0x1F, value >> 5
            more = value != (-1 if group & 0x10 else 0)
            text += chr(48 + group + 0x20 * more)
            if not more:
                break
    return text


def runs_of(picture: np.ndarray) -> list[int]:
    flat = picture.T.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *changes, flat.size]).tolist()
    return [0, *runs] if flat[0] else runs


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_a_mask_survives_encoding_and_decoding(picture: np.ndarray) -> None:
    assert np.array_equal(mask(encode(runs_of(picture)), *picture.shape), picture)


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=30))
def test_any_lengths_are_read_back(lengths: list[int]) -> None:
    assert run_lengths(encode(lengths)).tolist() == lengths


def test_runs_go_down_the_columns() -> None:
    assert mask([1, 2, 1], 2, 2).tolist() == [[False, True], [True, False]]


def test_a_number_below_sixteen_is_one_character() -> None:
    assert run_lengths("05").tolist() == [0, 5]


@pytest.mark.parametrize("text", ["o", "0j", "05~~~"])
def test_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="run lengths"):
        mask(text, 3, 3)
