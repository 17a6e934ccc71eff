from __future__ import annotations

from typing import Any

import pytest
import torch

from segbench.errors import UserError
from segbench.meters.operations import count_operations
from segbench.zoo.exits import ExitHead, HeadSettings, attach_exits
from segbench.zoo.hrnet import HRNetV2

STREAMS = torch.rand(1, 4, 6, 8), torch.rand(1, 8, 3, 4)


@pytest.mark.parametrize(
    ("settings", "macs"),
    [
        ({"blocks": 0}, 48 * (12 * 5 + 5 * 3)),
        ({"blocks": 2}, 48 * (12 * 5 + 2 * 9 * 5 * 5 + 5 * 3)),
        # pooling: 1x1, three dilated 3x3, the average of one pixel, projection of five, 3x3, classifier
        ({"blocks": 0, "kind": "deeplab"}, 48 * (12 * 5 + 25 * (1 + 27 + 5 + 9) + 5 * 3) + 25),
    ],
)
def test_a_head_costs_what_its_settings_say(settings: dict[str, Any], macs: int) -> None:
    head = ExitHead((4, 8), 3, HeadSettings(width=5, **settings)).eval()
    with torch.no_grad():
        assert head(STREAMS).shape == (1, 3, 6, 8)
        assert count_operations(head, lambda: head(STREAMS)).total_macs == macs


def test_later_blocks_of_a_head_see_further() -> None:
    head = ExitHead((4, 8), 3, HeadSettings(width=5, blocks=3))
    assert [layer.dilation for layer in head.blocks if hasattr(layer, "dilation")] == [(1, 1), (2, 2), (4, 4)]


@pytest.mark.parametrize("points", [[], [0], [2, 1], [1, 1], [1, 4], 2, "12"])
def test_exits_stand_where_the_body_goes_on(points: Any) -> None:
    parts = HRNetV2(3, (4, 8, 16, 32), (1, 1, 1), 1, 8, 8, 1).parts()
    with pytest.raises(UserError, match="rising numbers of parts from 1 to 3"):
        attach_exits(parts, points, 3, HeadSettings())
