"""Memory that no tensor holds: the CUDA context, and the workspaces of cuBLAS and cuDNN; named inputs, with sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from segbench.estimate.convolution_workspaces import Convolution, convolution_of, expected, upper

MODERN_CONTEXT = 500 * 2**20
"""CUDA context with lazily loaded kernels (CUDA 11.7 and newer).

426 MiB were measured for an empty context (torch 2.10, CUDA 13, RTX 6000 Ada: unslothai/unsloth-zoo#1053), "around 400
MB" is PyTorch's maintainers' figure (pytorch/pytorch#109888). The rest is our inference, for the kernels that a network
and its training load. Before 11.7 all kernels were loaded at once: "more than 1000 MB" (pytorch/pytorch#107667),
though 300 to 400 MB were also seen on a V100 with torch 1.1 (pytorch/pytorch#20532).
"""
CUBLAS_WORKSPACE = 2 * 4096 * 1024 + 8 * 16 * 1024
"""`CUBLAS_WORKSPACE_CONFIG=:4096:2:16:8`, the default before Hopper: 8.1 MiB a handle, one handle a thread.

From compute capability 9.0 on the default is `:4096:8`, 32 MiB: the command gives the option `cublas_bytes` by the
name of the budget's or the device's GPU (`segbench.devices.capabilities.cublas_workspace`).
"""


@dataclass(frozen=True)
class Overheads:
    """What is added to tensors.

    Attributes:
        context_bytes: the process's context, outside the caching allocator.
        cublas_bytes: what a cuBLAS handle keeps, inside the allocator, once a matrix product has run.
        convolutions: cuDNN's workspaces: `none`, right near deterministic runs; `expected` or `upper`, see
            `segbench.estimate.convolution_workspaces`. A workspace that does not fit makes PyTorch choose another
            algorithm, so that it raises readings but hardly lowers the largest batch (our inference, from the source).
    """

    context_bytes: int = MODERN_CONTEXT
    cublas_bytes: int = CUBLAS_WORKSPACE
    convolutions: Literal["none", "expected", "upper"] = "none"

    def convolution_workspace(self, function: Any, args: Sequence[Any], output: Any) -> int:
        """Bytes cuDNN would ask for during this operator."""
        convolution = None if self.convolutions == "none" else convolution_of(function, args, output)
        return 0 if convolution is None else self.workspace_of(convolution)

    def workspace_of(self, convolution: Convolution) -> int:
        """Bytes cuDNN would ask for to carry a convolution out."""
        if self.convolutions == "none":
            return 0
        return expected(convolution) if self.convolutions == "expected" else upper(convolution)
