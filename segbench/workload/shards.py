"""Parts of tensors that several processes share."""

from __future__ import annotations

from torch import Tensor


def local(tensor: Tensor) -> Tensor:
    """This rank's part of a sharded tensor; any other as it is."""
    return getattr(tensor, "_local_tensor", tensor)
