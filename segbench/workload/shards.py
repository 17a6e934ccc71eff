"""Parts of tensors that several processes share."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def local(tensor: Tensor) -> Tensor:
    """This rank's part of a sharded tensor; any other as it is."""
    return getattr(tensor, "_local_tensor", tensor)


def unsharded(tensor: Tensor) -> Tensor:
    """A sharded tensor, gathered from all ranks; any other as it is."""
    gather = getattr(tensor, "full_tensor", None)
    found: Tensor = tensor if gather is None else gather()
    return found


def part_of(tensor: Tensor, like: Any) -> Tensor:
    """What this rank keeps of a whole tensor, sharded as `like` is; all of it where that is not sharded."""
    if not hasattr(like, "full_tensor"):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)
