from __future__ import annotations

import torch

from segbench.layers.precision import Precision


def test_autocast_reopens_as_it_was() -> None:
    tensor = torch.zeros(2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        precision = Precision.around(tensor)
    with precision.reopened():
        assert (tensor @ tensor).dtype == torch.bfloat16
    assert (tensor @ tensor).dtype == torch.float32


def test_full_precision_is_restored_inside_of_autocast() -> None:
    tensor = torch.zeros(2, 2)
    precision = Precision.around(tensor)
    with torch.autocast("cpu", torch.bfloat16), precision.reopened():
        assert (tensor @ tensor).dtype == torch.float32


def test_a_device_without_autocast_is_left_alone() -> None:
    tensor = torch.zeros(2, 2, device="meta")
    precision = Precision.around(tensor)
    assert not precision.enabled
    with precision.reopened():
        assert (tensor @ tensor).dtype == torch.float32
