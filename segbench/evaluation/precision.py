"""Mixed precision as a case names it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """A fresh context for `fp32` (nothing changes), `bf16` or `fp16`."""
    return nullcontext() if precision == "fp32" else torch.autocast(device.type, _AUTOCAST[precision])
