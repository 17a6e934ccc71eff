"""What a GPU's libraries take beside tensors, measured: workspaces of cuBLAS and cuDNN, what attention keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal, Protocol, get_args

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from segbench.estimate.allocator import round_size
from segbench.estimate.overheads import Overheads

_aten = torch.ops.aten
WorkspaceModel = Literal["none", "expected", "upper"]


class Memory(Protocol):
    """The counters of a device's caching allocator, in bytes."""

    def allocated(self) -> int: ...

    def peak(self) -> int:
        """Most bytes allocated since `reset`."""
        ...

    def reset(self) -> None: ...


@dataclass(frozen=True)
class CudaMemory:
    """Those of a CUDA device."""

    device: torch.device

    def allocated(self) -> int:
        torch.cuda.synchronize(self.device)
        return torch.cuda.memory_allocated(self.device)

    def peak(self) -> int:
        torch.cuda.synchronize(self.device)
        return torch.cuda.max_memory_allocated(self.device)

    def reset(self) -> None:
        torch.cuda.reset_peak_memory_stats(self.device)


@dataclass(frozen=True)
class BesideResult:
    """Bytes beside an operator's results.

    Attributes:
        kept: that remain after it, such as a handle's workspace or what a backward pass will read.
        passing: that it asked for and gave back.
    """

    kept: int
    passing: int


def beside_results(run: Callable[[], Any], memory: Memory) -> BesideResult:
    """What an operator takes beside what it returns, in the allocator's rounded bytes."""
    before = memory.allocated()
    memory.reset()
    results = run()
    own = sum(round_size(part.untyped_storage().nbytes()) for part in _tensors(results))
    after, peak = memory.allocated(), memory.peak()
    return BesideResult(after - before - own, peak - max(after, before))


def _tensors(results: Any) -> list[Tensor]:
    parts = results if isinstance(results, (tuple, list)) else [results]
    return [part for part in parts if isinstance(part, Tensor)]


def cublas_bytes(device: torch.device, memory: Memory) -> int:
    """Of a handle's workspace: what the first matrix product leaves."""
    matrix = torch.ones(256, 256, device=device)
    return beside_results(lambda: matrix @ matrix, memory).kept


@dataclass(frozen=True)
class ConvolutionAsked:
    """A convolution of padded images, without a bias.

    Attributes:
        channels, filters: into and out of it.
        side: pixels of its square images.
        kernel, stride, dilation, groups: as torch has them.
        half: whether numbers are float16.
    """

    channels: int
    filters: int
    side: int
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    half: bool = False

    @property
    def padding(self) -> int:
        return self.dilation * (self.kernel // 2)


DOZEN = (
    ConvolutionAsked(64, 64, 128),
    ConvolutionAsked(64, 64, 128, half=True),
    ConvolutionAsked(256, 256, 64),
    ConvolutionAsked(256, 256, 64, half=True),
    ConvolutionAsked(512, 512, 32),
    ConvolutionAsked(48, 48, 120),
    ConvolutionAsked(64, 128, 128, stride=2),
    ConvolutionAsked(512, 512, 32, dilation=2),
    ConvolutionAsked(2048, 256, 32, dilation=12),
    ConvolutionAsked(256, 256, 64, groups=256),
    ConvolutionAsked(64, 256, 128, kernel=1),
    ConvolutionAsked(3, 64, 256, kernel=7, stride=2),
)
"""Convolutions of segmentation networks: plain 3x3 in both precisions, of HRNet's width, strided, dilated (ASPP's too),
depthwise, 1x1 and a stem."""
IMAGES = 4


def convolution_workspaces(
    asked: Sequence[ConvolutionAsked], device: torch.device, memory: Memory, images: int = IMAGES
) -> Iterator[dict[str, Any]]:
    """For each convolution and direction the bytes that it took, and those of every model of them."""
    for item in asked:
        for direction, function, args in _directions(item, device, images):
            function(*args)  # kernels are loaded, and the algorithm is chosen
            taken = beside_results(partial(function, *args), memory).passing
            result = function(*args)
            models = {
                name: Overheads(convolutions=name).convolution_workspace(function, args, result)
                for name in get_args(WorkspaceModel)
            }
            yield {"convolution": asdict(item), "direction": direction, "taken": taken, "models": models}


def _directions(
    item: ConvolutionAsked, device: torch.device, images: int
) -> Iterator[tuple[str, Callable[..., Any], tuple[Any, ...]]]:
    kind = torch.float16 if item.half else torch.float32
    pixels = torch.ones(images, item.channels, item.side, item.side, device=device, dtype=kind)
    shape = (item.filters, item.channels // item.groups, item.kernel, item.kernel)
    weights = torch.ones(shape, device=device, dtype=kind)
    settings = [[item.stride] * 2, [item.padding] * 2, [item.dilation] * 2, False, [0, 0], item.groups]
    forward = (pixels, weights, None, *settings)
    yield "forward", _aten.convolution.default, forward
    gradient = torch.ones_like(_aten.convolution.default(*forward))
    backward = (gradient, pixels, weights, None, *settings, [True, True, False])
    yield "backward", _aten.convolution_backward.default, backward


def best_model(rows: Sequence[dict[str, Any]]) -> WorkspaceModel:
    """The model whose bytes differ least in sum from those that were taken."""

    def error(name: str) -> int:
        return sum(abs(row["taken"] - row["models"][name]) for row in rows)

    return min(get_args(WorkspaceModel), key=error)


_KERNELS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}


def attention_kept(device: torch.device, memory: Memory, tokens: int = 1024) -> dict[str, int | None]:
    """Bytes that each kernel keeps for the backward pass beside its result; None where the GPU does not take it.

    Half precision, 8 heads of 64.
    """
    shape = (2, 8, tokens, 64)
    query, key, value = (torch.ones(shape, device=device, dtype=torch.float16, requires_grad=True) for _ in range(3))
    found: dict[str, int | None] = {}
    for name, kernel in _KERNELS.items():
        try:
            with sdpa_kernel(kernel):
                scaled_dot_product_attention(query, key, value)  # loads kernels, and cuBLAS's handle where one is used
                attend = partial(scaled_dot_product_attention, query, key, value)
                found[name] = beside_results(attend, memory).kept
        except RuntimeError:  # "No available kernel"
            found[name] = None
    return found
