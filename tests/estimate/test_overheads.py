from __future__ import annotations

import torch

from segbench.estimate.overheads import Overheads

aten = torch.ops.aten
IMAGES, OUTPUT = torch.empty(2, 4, 10, 10, device="meta"), torch.empty(2, 8, 10, 10, device="meta")
WEIGHTS, POINTWISE = torch.empty(8, 4, 3, 3, device="meta"), torch.empty(8, 4, 1, 1, device="meta")


def test_convolutions_ask_for_no_workspace_unless_told() -> None:
    assert Overheads().convolution_workspace(aten.convolution.default, (IMAGES, WEIGHTS), OUTPUT) == 0


def test_the_winograd_bound_is_counted_by_hand() -> None:
    upper = Overheads(convolutions="upper")
    expected = (2.25 * (800 + 1600) + 4 * 8 * 4 * 9) * 4
    assert upper.convolution_workspace(aten.convolution.default, (IMAGES, WEIGHTS), OUTPUT) == expected
    assert upper.convolution_workspace(aten.convolution_backward.default, (OUTPUT, IMAGES, WEIGHTS), ()) == expected
    assert upper.convolution_workspace(aten.convolution.default, (IMAGES, POINTWISE), OUTPUT) == 0
    assert upper.convolution_workspace(aten.relu.default, (IMAGES,), OUTPUT) == 0


def test_the_bound_is_capped_at_a_gibibyte() -> None:
    large = torch.empty(64, 64, 1000, 1000, device="meta")
    upper = Overheads(convolutions="upper")
    assert upper.convolution_workspace(aten.convolution.default, (large, WEIGHTS), large) == 2**30
