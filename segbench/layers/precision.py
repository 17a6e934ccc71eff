"""The autocast state of a forward pass, to be reopened wherever its values are computed again."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Precision:
    """Whether, and to what, autocast rounds on a kind of device.

    Autograd's backward runs outside of the forward's autocast, so what a node computes again there would run in another
    precision than the first time.
    """

    device_type: str
    enabled: bool = False
    dtype: torch.dtype = torch.float32

    @classmethod
    def around(cls, tensor: Tensor) -> Precision:
        """The state now, on the tensor's device."""
        kind = tensor.device.type
        if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
            return cls(kind)
        return cls(kind, True, torch.get_autocast_dtype(kind))

    def reopened(self, *, cache: bool = True) -> AbstractContextManager[object]:
        """Autocast as it was, also where it is on now and was off then.

        Args:
            cache: keep rounded weights until the outermost autocast ends. Not where gradients are off: older torch then
                hands the copies, which no gradient can pass, to later evaluations of the same weights.
        """
        if not torch.amp.is_autocast_available(self.device_type):
            return nullcontext()
        if not self.enabled and not torch.is_autocast_enabled(self.device_type):
            return nullcontext()
        dtype = self.dtype if self.enabled else None
        return torch.autocast(self.device_type, dtype, enabled=self.enabled, cache_enabled=cache)
