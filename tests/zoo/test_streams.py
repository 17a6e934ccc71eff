from __future__ import annotations

import torch
from torch import nn

from segbench.zoo.streams import StreamEntry, StreamExit, add_streams

WIDTHS = (4, 8, 16, 32)


def test_the_entry_counts_as_the_study_derived_it() -> None:
    with torch.device("meta"):
        entry = StreamEntry()
    assert sum(p.numel() for p in entry.stem.parameters()) == 38_848
    assert sum(p.numel() for p in entry.parameters()) == 937_408


def test_the_exit_is_four_convolutions_with_bias() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in StreamExit((48, 96, 192, 384), 11).parameters()) == 7_964


def test_the_streams_of_480x360_have_90_45_23_and_12_rows() -> None:
    with torch.device("meta"):
        streams = StreamEntry(WIDTHS, 8)(torch.empty(2, 3, 360, 480))
    assert [tuple(maps.shape) for maps in streams] == [
        (2, 4, 90, 120),
        (2, 8, 45, 60),
        (2, 16, 23, 30),
        (2, 32, 12, 15),
    ]


def test_the_stem_takes_the_norm_of_the_body_and_shares_its_statistics() -> None:
    assert isinstance(StreamEntry(WIDTHS, 8, "group").stem[1], nn.GroupNorm)
    assert StreamEntry(WIDTHS, 8, "batch-per-stage").stem[1].running_mean.shape == (8,)


def test_the_exit_sums_the_scores_of_all_streams() -> None:
    ends = StreamExit(WIDTHS, 3)
    for number, outlet in enumerate(ends.outlets):
        nn.init.zeros_(outlet.weight)
        nn.init.constant_(outlet.bias, 10.0**number)
    streams = tuple(torch.rand(1, width, 8 >> i, 8 >> i) for i, width in enumerate(WIDTHS))
    assert torch.allclose(ends(streams, (31, 33)), torch.full((1, 3, 31, 33), 1111.0))


def test_streams_are_added_each_to_its_own() -> None:
    first, second = (torch.ones(1), torch.zeros(2)), (torch.ones(1), torch.ones(2))
    assert [maps.tolist() for maps in add_streams(first, second)] == [[2.0], [1.0, 1.0]]
