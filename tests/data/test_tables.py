from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segbench.data import BrokenFile
from segbench.data.tables import ColourTable, IdTable

HERE = Path("label.png")
Channel = st.integers(0, 255)


def test_values_of_sixteen_bits_are_translated_or_named() -> None:
    table = IdTable.of({0: 255, 7: 0, 1000: 1})
    assert table.translate(np.array([[0, 7, 1000]], np.uint16), HERE).tolist() == [[255, 0, 1]]
    with pytest.raises(BrokenFile, match=r"label values 8, 7000 are outside the allowed 0, 7, 1000"):
        table.translate(np.array([[8, 7000]], np.uint16), HERE)


def test_other_values_may_be_ignored() -> None:
    assert IdTable.of({7: 0}, other=255).translate(np.array([[7, 9, 65535]], np.uint16), HERE).tolist() == [
        [0, 255, 255]
    ]
    colours = np.array([[[1, 2, 3], [1, 2, 4]]], np.uint8)
    assert ColourTable.of({(1, 2, 3): 5}, other=255).translate(colours, HERE).tolist() == [[5, 255]]


def test_neighbouring_colours_are_told_apart() -> None:
    with pytest.raises(BrokenFile, match=r"colours \(1, 2, 4\) stand for no class"):
        ColourTable.of({(1, 2, 3): 5}).translate(np.array([[[1, 2, 3], [1, 2, 4]]], np.uint8), HERE)


@settings(deadline=None)  # a table of 16 MB is made for each
@given(st.dictionaries(st.tuples(Channel, Channel, Channel), st.integers(0, 253) | st.just(255), min_size=1))
def test_every_colour_gets_its_own_train_id(train_ids: dict[tuple[int, int, int], int]) -> None:
    colours = np.array([list(train_ids)], np.uint8)
    for other in ({}, {"other": 255}):
        assert ColourTable.of(train_ids, **other).translate(colours, HERE).tolist() == [list(train_ids.values())]


def test_a_table_travels_to_a_worker_without_its_sixteen_megabytes() -> None:
    table = ColourTable.of({(1, 2, 3): 5})
    table.translate(np.array([[[1, 2, 3]]], np.uint8), HERE)
    assert len(pickle.dumps(table)) < 1000
