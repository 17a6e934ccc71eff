"""What devices refuse and `meta` lets pass: a matrix product of two kinds of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from segbench.errors import UserError

_aten = torch.ops.aten
_NAMES = ("convolution", "mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "dot")
_PRODUCTS = {getattr(_aten, name).default for name in _NAMES}


def require_one_dtype(operator: Any, arguments: Sequence[Any]) -> None:
    """Refuses to count or predict what cannot run, as a network built in half precision on float32 images.

    Raises:
        UserError: the operator is a matrix product or a convolution of floats of several types.
    """
    if operator not in _PRODUCTS:
        return
    found = dict.fromkeys(item.dtype for item in arguments if isinstance(item, Tensor))
    if len(found) > 1:
        names = " and ".join(str(dtype).removeprefix("torch.") for dtype in found)
        raise UserError(
            f"{operator.name()} of {names}, which no device takes; build the network in float32 (--precision runs it in"
            " bf16 or fp16), or cast its input in its forward"
        )
