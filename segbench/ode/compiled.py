"""f compiled in place: its kernels fused, and its Python left out, once for all its evaluations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

_ON_CPU = {"layout_optimization": False}
"""With it, inductor of torch 2.13 on the CPU silently gave zero gradients for what SegNode's f enlarges four times or
more (found by comparing with the plain f; `max_fusion_size=1` cures it too, single operators are right). On CUDA it is
what lays convolutions out for the tensor cores, and stays on."""


def compile_in_place(f: nn.Module, backend: str = "inductor") -> None:
    """`torch.compile`s the module's `forward`; names in the state dict stay.

    Compiling takes minutes for a wide f on the CPU. Layers with an autograd node of their own (recomputing ones) stay
    outside of the fused kernels: compile a plain f.

    Args:
        f: an ODE's right-hand side.
        backend: of `torch.compile`.
    """
    f.compile(backend=_inductor if backend == "inductor" else backend)


def _inductor(graph: torch.fx.GraphModule, inputs: list[Any]) -> Callable[..., Any]:
    """Inductor with the options of the device that the graph runs on, known only when its first inputs come."""
    on_cpu = all(item.device.type == "cpu" for item in inputs if isinstance(item, Tensor))
    found: Callable[..., Any] = torch._inductor.compile(graph, inputs, options=_ON_CPU if on_cpu else {})
    return found
