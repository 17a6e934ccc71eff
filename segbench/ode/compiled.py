"""f compiled in place: its kernels fused, and its Python left out, once for all its evaluations."""

from __future__ import annotations

from torch import nn

_INDUCTOR_OPTIONS = {"layout_optimization": False}
"""With it, inductor of torch 2.13 on the CPU silently gave zero gradients for what SegNode's f enlarges four times or
more (found by comparing with the plain f; `max_fusion_size=1` cures it too, single operators are right)."""


def compile_in_place(f: nn.Module, backend: str = "inductor") -> None:
    """`torch.compile`s the module's `forward`; names in the state dict stay.

    Compiling takes minutes for a wide f on the CPU. Layers with an autograd node of their own (recomputing ones) stay
    outside
    of the fused kernels: compile a plain f.

    Args:
        f: an ODE's right-hand side.
        backend: of `torch.compile`.
    """
    f.compile(backend=backend, options=_INDUCTOR_OPTIONS if backend == "inductor" else None)
