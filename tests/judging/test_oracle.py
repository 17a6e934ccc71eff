from __future__ import annotations

import torch

from segbench.judging.asking import Asked
from segbench.judging.oracle import cheapest_as_good


def asked(wrong: int, macs: int) -> Asked:
    """An answer of 1000 pixels of class 0, of which so many are taken for class 1."""
    scores = torch.tensor([1.0, 0.0]).repeat(1000, 1)
    scores[:wrong] = torch.tensor([0.0, 1.0])
    return Asked(scores.T[None, :, :, None], (), 1, macs, None)


def test_of_paths_the_oracle_is_the_cheapest_answer_within_half_a_point_of_the_whole_network() -> None:
    bad, near, whole = asked(16, 1), asked(15, 2), asked(10, 4)
    label = torch.zeros(1000, 1, dtype=torch.long)
    assert cheapest_as_good([bad, near, asked(0, 3)], whole, label) is near
    assert cheapest_as_good([bad], whole, label) is whole
    assert cheapest_as_good([bad, near], whole, torch.full_like(label, 255)) is bad, "where nothing is labelled"
