from __future__ import annotations

from typing import Any

import torch

from segbench.estimate.overheads import Overheads

aten = torch.ops.aten
IMAGES, OUTPUT = torch.empty(2, 4, 10, 10, device="meta"), torch.empty(2, 8, 10, 10, device="meta")
WEIGHTS, POINTWISE = torch.empty(8, 4, 3, 3, device="meta"), torch.empty(8, 4, 1, 1, device="meta")
ONE, NONE = [1, 1], [0, 0]
PLAIN = (ONE, ONE, ONE, False, NONE, 1)
"""Stride, padding, dilation, not transposed, no padding of the output, one group."""


def forward(
    overheads: Overheads, images: Any = IMAGES, weights: Any = WEIGHTS, output: Any = OUTPUT, settings: Any = PLAIN
) -> int:
    return overheads.convolution_workspace(aten.convolution.default, (images, weights, None, *settings), output)


def backward(overheads: Overheads) -> int:
    args = (OUTPUT, IMAGES, WEIGHTS, None, *PLAIN, [True, True, False])
    return overheads.convolution_workspace(aten.convolution_backward.default, args, ())


def test_convolutions_ask_for_no_workspace_unless_told() -> None:
    assert forward(Overheads()) == 0


def test_the_winograd_bound_is_counted_by_hand() -> None:
    upper = Overheads(convolutions="upper")
    assert forward(upper) == backward(upper) == (2.25 * (800 + 1600) + 4 * 8 * 4 * 9) * 4
    assert forward(upper, weights=POINTWISE) == 0
    assert upper.convolution_workspace(aten.relu.default, (IMAGES,), OUTPUT) == 0


def test_the_bound_is_capped_at_a_gibibyte() -> None:
    large = torch.empty(64, 64, 1000, 1000, device="meta")
    assert forward(Overheads(convolutions="upper"), large, WEIGHTS, large) == 2**30


def test_the_expected_workspace_is_counted_by_hand() -> None:
    """Two images of 5x5 tiles; a tile takes 16 numbers for each of 4 channels read and 8 written, a filter 16."""
    expected = Overheads(convolutions="expected")
    assert forward(expected) == backward(expected) == 4 * 16 * (2 * 25 * (4 + 8) + 4 * 8)


def test_odd_sides_take_whole_tiles() -> None:
    odd = torch.empty(2, 8, 9, 9, device="meta")
    assert forward(Overheads(convolutions="expected"), output=odd) == forward(Overheads(convolutions="expected"))


def test_no_workspace_is_expected_of_other_convolutions() -> None:
    expected = Overheads(convolutions="expected")
    others: list[Any] = [
        ([2, 2], ONE, ONE, False, NONE, 1),
        (ONE, ONE, [2, 2], False, NONE, 1),
        (ONE, ONE, ONE, True, NONE, 1),
        (ONE, ONE, ONE, False, NONE, 2),
    ]
    assert [forward(expected, settings=settings) for settings in others] == [0] * 4
    assert forward(expected, weights=POINTWISE) == 0
    assert forward(expected, IMAGES.half(), WEIGHTS.half(), OUTPUT.half()) == 0
