"""CUDA graphs: f's kernels captured once and launched with one call, the more worth it as f is the same every time.

SegNode's f has 236 launches and is evaluated several times a solve; at batch 1 launching can take longer than
computing.
Not yet run on CUDA hardware: written after the manual's "whole-network capture" (torch.cuda.CUDAGraph).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from segbench.errors import UserError
from segbench.layers.norms import StageBatchNorm2d, frozen_statistics

Outputs = tuple[Any, ...]
"""Tensors, or None where a function has no result."""

ResultT = TypeVar("ResultT")

Function = Callable[[float | Tensor, tuple[Tensor, ...]], Outputs]
"""From a time and tensors to tensors, without side effects but those of f's buffers."""

_WARM_UPS = 3
"""As in torch's manual: cuDNN chooses its algorithms and libraries allocate their workspaces before the capture."""

_CAPTURE_MODE = "thread_local"
"""A loader that pins memory and NCCL's watchdog call CUDA from threads of their own; by default that ends a capture."""


class CudaGraphs:
    """The captured functions of one f, by function, conditions, and shapes.

    Only what runs without autograd's own graph can be replayed: forward evaluations of inference and of every method
    but `backprop` and `checkpoint-step`, and whole vector-Jacobian products where a method asks `Evaluator.vjp` for
    them. Those of `reversible-heun`, and the adjoints of torchdiffeq, are launched kernel by kernel.

    Raises:
        UserError: f has statistics for each stage; a graph would repeat those of the stage at which it was captured.
    """

    def __init__(self, f: nn.Module) -> None:
        if any(isinstance(norm, StageBatchNorm2d) and norm.stages for norm in f.modules()):
            raise UserError("CUDA graphs do not work with norm 'batch-per-stage'; use norm 'group' or 'batch'")
        self._f = f
        self._captured: dict[Hashable, Capture] = {}

    def replay(
        self, conditions: tuple[Hashable, ...], function: Function, time: float | Tensor, tensors: tuple[Tensor, ...]
    ) -> Outputs:
        """What `function(time, tensors)` gives; plain outside of CUDA and within another capture.

        Args:
            conditions: everything but the arguments on which the result's computation depends.
        """
        if tensors[0].device.type != "cuda" or torch.cuda.is_current_stream_capturing():
            return function(time, tensors)  # within the capture of a whole network f is part of that graph
        layout = tuple((tensor.shape, tensor.stride(), tensor.dtype, tensor.device) for tensor in tensors)
        addresses = tuple(parameter.data_ptr() for parameter in self._f.parameters())
        key = (conditions, layout, addresses)
        if key not in self._captured:
            self._captured[key] = self._capture(function, tensors)
        return self._captured[key].replay(time, tensors)

    def _capture(self, function: Function, tensors: tuple[Tensor, ...]) -> Capture:
        time = torch.zeros((), dtype=tensors[0].dtype, device=tensors[0].device)
        inputs = tuple(tensor.clone() for tensor in tensors)
        graph, outputs = captured(lambda: function(time, inputs), frozen_statistics(self._f))
        return Capture(graph, time, inputs, outputs)


def captured(
    run: Callable[[], ResultT], warming_up: AbstractContextManager[object]
) -> tuple[torch.cuda.CUDAGraph, ResultT]:
    """The kernels of a call on fixed memory, and its results, which every replay writes anew.

    Args:
        run: what is captured.
        warming_up: open during the calls before, so that they leave no trace.

    Raises:
        RuntimeError: the call waits for the device, or does something else that no graph can hold.
    """
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream), warming_up:
        for _ in range(_WARM_UPS):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode=_CAPTURE_MODE):
        results = run()
    return graph, results


@dataclass(frozen=True)
class Capture:
    graph: torch.cuda.CUDAGraph
    time: Tensor
    inputs: tuple[Tensor, ...]
    outputs: Outputs

    def replay(self, time: float | Tensor, tensors: tuple[Tensor, ...]) -> Outputs:
        """Copies in and out: the graph reads and writes fixed memory, which the next replay overwrites."""
        self.time.copy_(time) if isinstance(time, Tensor) else self.time.fill_(time)
        for place, tensor in zip(self.inputs, tensors, strict=True):
            place.copy_(tensor)
        self.graph.replay()
        return tuple(None if output is None else output.clone() for output in self.outputs)
