"""Budgets of memory: an amount as typed, or what a named GPU offers to a CUDA program."""

from __future__ import annotations

import re
from dataclasses import dataclass

from segbench.errors import UnknownName
from segbench.units import GIB, MIB, parse_bytes


@dataclass(frozen=True)
class Budget:
    """Memory that must not be exceeded, the CUDA context included.

    Attributes:
        bytes: how much.
        name: `32GB`, or a GPU's name.
        source: where a GPU's figure comes from; empty for an amount.
    """

    bytes: int
    name: str
    source: str = ""


_MESSAGE = "total capacity in an out-of-memory message of PyTorch"
_TOTAL = "NVML's total (thundergolfer.com/blog/nvidia-gpu-memory-capacity) less 768 MiB"
_HIDDEN = 768 * MIB
"""CUDA offers less than NVML counts: 0.44 GiB on T4, 0.54 on H100, 0.75 on A100-80GB. The largest, to be safe; our
inference for GPUs of which only NVML's total was found."""


def _seen(name: str, gib: float, thread: str) -> Budget:
    return Budget(int(gib * GIB), name, f"{gib} GiB {_MESSAGE} ({thread})")


def _counted(name: str, mib: int) -> Budget:
    return Budget(mib * MIB - _HIDDEN, name, f"{mib} MiB, {_TOTAL}")


GPU_BUDGETS = {
    budget.name: budget
    for budget in (
        _seen("v100-16gb", 15.78, "kchengiva/Shift-GCN#34"),
        _seen("v100-32gb", 31.74, "liucongg/ChatGLM-Finetuning#73"),
        _seen("t4", 14.56, "Zheng-Chong/CatVTON#133"),
        _seen("rtx-3090", 23.68, "wutong16/HyperDreamer#4"),
        _seen("rtx-4090", 23.64, "ali-vilab/VGen#104"),
        _seen("rtx-5090", 31.37, "Wan-Video/Wan2.1#465"),
        _seen("a100-40gb", 39.50, "TianheWu/CoSeR#10"),
        _seen("a100-80gb", 79.25, "levihsu/OOTDiffusion#235"),
        _seen("h100-80gb", 79.11, "vllm-project/vllm#27508"),
        _counted("a10", 23028),
        _counted("l4", 23034),
        _counted("l40s", 46068),
        _counted("h200", 143771),
    )
}
"""GPUs by name; what a CUDA program may use in all, its own context included."""

PAPER_GPU = "v100-32gb"
"""The GPU of the paper's tables."""


def parse_budget(text: str) -> Budget:
    """`32GB` (10^9 bytes), `32GiB` (2^30) or a GPU's name such as `v100-32gb`, in any case.

    Raises:
        UnknownName: a name that is no GPU's.
        UserError: an amount without a known unit, or zero.
    """
    name = text.strip().lower().replace("_", "-").replace(" ", "-")
    if name in GPU_BUDGETS:
        return GPU_BUDGETS[name]
    if re.match(r"[0-9.]", name):
        return Budget(parse_bytes(text), text.strip())
    raise UnknownName("GPU", text, GPU_BUDGETS, "or give an amount such as 32GB or 32GiB")
