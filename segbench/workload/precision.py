"""Mixed precision as a case names it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from segbench.errors import UserError

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """A fresh context for `fp32` (nothing changes), `bf16` or `fp16`."""
    return nullcontext() if precision == "fp32" else torch.autocast(device.type, _AUTOCAST[precision])


def require_trainable(precision: str, device: torch.device) -> None:
    """Refuses a precision in which nothing can be trained on a device.

    Raises:
        UserError: fp16 on a CPU.
    """
    if precision == "fp16" and device.type == "cpu":
        raise UserError("precision fp16 trains only on CUDA; choose bf16 or fp32 on the CPU")
