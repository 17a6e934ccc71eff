"""What the flags of predictions refuse before anything is predicted."""

from __future__ import annotations

import pytest

from segbench.cli.predicting import PredictionFlags
from segbench.errors import UserError
from segbench.records.options import Assumptions, MemoryOptions


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (PredictionFlags(ranks=2), "2 ranks need a strategy: ddp"),
        (PredictionFlags(strategy="fsdp"), "say how many with ranks, from 2"),
        (PredictionFlags(strategy="fsdp", ranks=10**9), "ranks cannot be 1000000000: .* 65536"),
        (PredictionFlags(assume_torch="abc"), "--assume-torch abc is no release"),
        (PredictionFlags(assume_torch="1"), "give two numbers, such as 1.8"),
    ],
)
def test_what_would_be_ignored_or_fail_later_is_refused(flags: PredictionFlags, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        flags.options(Assumptions)
    with pytest.raises(UserError, match=sentence):
        flags.shared(MemoryOptions)


def test_ranks_of_a_strategy_and_releases_with_a_patch_are_taken() -> None:
    found = PredictionFlags(strategy="fsdp", ranks=2, assume_torch="1.8.1").options(Assumptions)
    assert (found.ranks, found.assume_torch) == (2, "1.8.1")
