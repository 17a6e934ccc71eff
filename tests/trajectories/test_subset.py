from __future__ import annotations

import pytest

from segbench.data import open_dataset
from segbench.errors import UserError
from segbench.trajectories.subset import EvenSubset


def test_a_part_is_spread_evenly_from_first_to_last() -> None:
    whole = open_dataset("synthetic:size=32x32", split="val")
    part = EvenSubset(whole, 3)
    assert (len(part), part.names) == (3, ("val-00000", "val-00064", "val-00127"))
    assert part[2].name == "val-00127"


def test_more_than_there_are_takes_all_and_none_is_refused() -> None:
    whole = open_dataset("synthetic", count=2)
    assert len(EvenSubset(whole, 9)) == 2
    with pytest.raises(UserError, match="leaves no image"):
        EvenSubset(whole, 0)
