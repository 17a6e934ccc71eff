"""What a device does otherwise than `meta`, put right while a trace is taken and taken back afterwards.

Differences that a dispatcher-level trace would get wrong (operator by operator comparison, torch 2.13):
- dropout: on CUDA `native_dropout` keeps a mask of one byte an element; `meta` and the CPU keep a float mask;
- optimizers: on CUDA `foreach` is the default and `fused` is allowed; elsewhere the same code loops over parameters,
  which changes the peak where the optimizer decides it;
- `torch.tensor(data, device="meta")` drops the data, and with it every time grid.
Initialisers do nothing on `meta` but take time, so they are skipped.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import optimizer as optimizers
from torch.utils._device import _device_constructors

from segbench.estimate.older_torch import LOOPS, TODAY, Release, had
from segbench.estimate.program import is_cuda
from segbench.estimate.replacing import replaced

Target = Literal["cuda", "cpu"]
"""The device whose memory is predicted; `cpu` is for proving the trace against real runs."""


@contextlib.contextmanager
def like(target: Target, release: Release = TODAY) -> Iterator[None]:
    """Within it `meta` behaves as `target` does under a release of torch, as far as memory is concerned."""
    _device_constructors()  # which torch lists once, and must not list with what stands in for them here
    with contextlib.ExitStack() as stack:
        for name in ("tensor", "as_tensor"):
            stack.enter_context(replaced(torch, name, _through_cpu))
        for name in dir(nn.init):
            if name.endswith("_") and not name.startswith("_"):
                stack.enter_context(replaced(nn.init, name, _skipped))
        if target == "cuda":
            stack.enter_context(replaced(F, "dropout", _with_byte_mask))
            names = ("_get_foreach_kernels_supported_devices", "_get_fused_kernels_supported_devices")
            for name in names[had(release, LOOPS) :]:
                stack.enter_context(replaced(optimizers, name, _with_meta))
        yield


def _through_cpu(factory: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def build(data: Any, *args: Any, device: Any = None, **kwargs: Any) -> torch.Tensor:
        if isinstance(data, torch.Tensor):
            return factory(data, *args, device=device, **kwargs)
        if is_cuda(device):
            device = "meta"
        if device is None or torch.device(device).type != "meta":
            made = factory(data, *args, device=device, **kwargs)
            if made.device.type != "meta":  # `meta` may be the default device
                return made
        return factory(data, *args, device="cpu", **kwargs).to("meta")

    return build


def _skipped(_: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def leave(tensor: torch.Tensor, *_args: Any, **_kwargs: Any) -> torch.Tensor:
        return tensor

    return leave


def _with_byte_mask(original: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def dropout(input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
        if not training or p == 0 or inplace or input.device.type != "meta":
            return original(input, p, training, inplace)
        return torch.native_dropout(input, p, True)[0]

    return dropout


def _with_meta(original: Callable[[], list[str]]) -> Callable[[], list[str]]:
    return lambda: [*original(), "meta"]
