"""The state of the random numbers before a module ran, so that its dropout drops the same when it runs again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd


@dataclass(frozen=True)
class RandomState:
    """Of the CPU and of the device a module runs on; nothing where it draws no numbers."""

    device: torch.device | None = None
    host_state: Tensor | None = None
    device_state: Tensor | None = None

    @classmethod
    def before(cls, module: nn.Module, device: torch.device) -> RandomState:
        if not draws(module):
            return cls()
        on_gpu = device.type == "cuda"
        return cls(device, torch.get_rng_state(), torch.cuda.get_rng_state(device) if on_gpu else None)

    @contextmanager
    def again(self) -> Iterator[None]:
        """Within it numbers are drawn as they were; afterwards as if nobody had drawn."""
        if self.host_state is None:
            yield
            return
        gpus = [self.device] if self.device_state is not None else []
        with torch.random.fork_rng(gpus):
            torch.set_rng_state(self.host_state)
            if self.device_state is not None:
                torch.cuda.set_rng_state(self.device_state, self.device or "cuda")
            yield


def draws(module: nn.Module) -> bool:
    """Whether a dropout is inside."""
    return any(isinstance(inner, _DropoutNd) for inner in module.modules())
