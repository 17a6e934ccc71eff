"""What kind of GPU a name means: its CUDA compute capability, which decides on kernels and cuBLAS's workspace."""

from __future__ import annotations

import re
from typing import Any

from segbench.units import KIB

Capability = tuple[int, int]

_NAMES: dict[Capability, str] = {
    (6, 0): "p100, gp100",
    (6, 1): "p40, p4, titan xp, 1080, 1070, 1060, 1050, p6000, p5000, p4000",
    (7, 0): "v100, v100s, gv100, titan v",
    (7, 5): "t4, t4g, titan rtx, quadro rtx, 2080, 2070, 2060, 1660, 1650",
    (8, 0): "a100, a800, a30, a30x, a100x",
    (8, 6): "a10, a10g, a10m, a2, a16, a40, a6000, a5500, a5000, a4500, a4000, a2000, 3090, 3080, 3070, 3060, 3050",
    (8, 7): "orin",
    (8, 9): "l4, l20, l40, l40s, l40g, ada, 4090, 4080, 4070, 4060, 4050",
    (9, 0): "h100, h200, h800, h20, gh200",
    (10, 0): "b100, b200, gb200",
    (10, 3): "b300, gb300",
    (11, 0): "thor",
    (12, 0): "5090, 5080, 5070, 5060, 5050, blackwell",
    (12, 1): "gb10",
}
"""Words of GPUs' names, all of those between two commas (developer.nvidia.com/cuda-gpus and, for those before Turing,
cuda-legacy-gpus); `ada` and `blackwell` are in the names of professional GPUs whose numbers older ones bore too."""

_USUAL_CUBLAS = 2 * 4096 * KIB + 8 * 16 * KIB
"""`CUBLAS_WORKSPACE_CONFIG=:4096:2:16:8` (`segbench.estimate.overheads.CUBLAS_WORKSPACE`)."""
_LARGER_CUBLAS = 8 * 4096 * KIB
"""`:4096:8`, from compute capability 9.0 (`parseChosenWorkspaceSize` in ATen/cuda/CublasHandlePool.cpp)."""


def compute_capability(gpu_name: str) -> Capability | None:
    """Of a GPU as NVML, a budget or a person names it, such as `v100` or `9.0`; None for no known GPU's name."""
    if re.fullmatch(r"[0-9]+\.[0-9]", gpu_name):
        major, minor = gpu_name.split(".")
        return int(major), int(minor)
    words = set(re.split(r"[^a-z0-9]+", gpu_name.lower()))
    found = (
        capability
        for capability, names in reversed(_NAMES.items())  # `RTX 5000 Ada` is of a later kind than `Quadro RTX 5000`
        if any(words.issuperset(name.split()) for name in names.split(", "))
    )
    return next(found, None)


def cublas_workspace(gpu_name: str) -> int:
    """Bytes that PyTorch gives a cuBLAS handle by default on a GPU of that name."""
    return _USUAL_CUBLAS if (compute_capability(gpu_name) or (0, 0)) < (9, 0) else _LARGER_CUBLAS


def gpu_assumptions(gpu_name: str) -> dict[str, Any]:
    """What a prediction for a GPU of that name assumes, as options of `Assumptions`; nothing for an unknown one."""
    capability, workspace = compute_capability(gpu_name), cublas_workspace(gpu_name)
    larger = {} if workspace == _USUAL_CUBLAS else {"cublas_bytes": workspace}
    return {} if capability is None else {"capability": capability, **larger}
