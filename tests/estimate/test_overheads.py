from __future__ import annotations

from typing import Any

import torch

from segbench.estimate.overheads import Overheads

aten = torch.ops.aten
IMAGES, OUTPUT = torch.empty(2, 4, 10, 10, device="meta"), torch.empty(2, 8, 10, 10, device="meta")
WEIGHTS, POINTWISE = torch.empty(8, 4, 3, 3, device="meta"), torch.empty(8, 4, 1, 1, device="meta")
ONE, NONE = [1, 1], [0, 0]
WIDE = (
    torch.empty(2, 128, 10, 10, device="meta"),
    torch.empty(160, 128, 3, 3, device="meta"),
    torch.empty(2, 160, 10, 10, device="meta"),
)
"""Images, weights and output of a convolution with channels enough."""
EXPECTED = Overheads(convolutions="expected")
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
    """Two images of 5x5 tiles; a tile takes 16 numbers for each of 128 channels read and 160 written, a filter 16."""
    assert forward(EXPECTED, *WIDE) == 4 * 16 * (2 * 25 * (128 + 160) + 128 * 160)
    assert backward(EXPECTED) == 0


def test_odd_sides_take_whole_tiles() -> None:
    images, weights, _ = WIDE
    odd = torch.empty(2, 160, 9, 9, device="meta")
    assert forward(EXPECTED, images, weights, odd) == forward(EXPECTED, *WIDE)


def test_of_many_tiles_the_transformed_outputs_do_not_count() -> None:
    images, _, output = (torch.empty(1, channels, 200, 200, device="meta") for channels in (128, 1, 160))
    assert forward(EXPECTED, images, WIDE[1], output) == 4 * 16 * (100 * 100 * 128 + 128 * 160)


def test_no_workspace_is_expected_of_other_convolutions() -> None:
    others: list[Any] = [
        ([2, 2], ONE, ONE, False, NONE, 1),
        (ONE, ONE, [2, 2], False, NONE, 1),
        (ONE, ONE, ONE, True, NONE, 1),
        (ONE, ONE, ONE, False, NONE, 2),
    ]
    images, _, output = WIDE
    pointwise = torch.empty(160, 128, 1, 1, device="meta")
    assert [forward(EXPECTED, *WIDE, settings=settings) for settings in others] == [0] * 4
    assert forward(EXPECTED, images, pointwise, output) == 0
    assert forward(EXPECTED, *(item.half() for item in WIDE)) == 0
    assert forward(EXPECTED) == 0, "so few channels go another way"
    line = torch.empty(2, 128, 10, device="meta")
    assert forward(EXPECTED, line, torch.empty(160, 128, 3, device="meta"), line, (*[[1]] * 3, False, [0], 1)) == 0
