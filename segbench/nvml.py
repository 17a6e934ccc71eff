"""NVIDIA's management library for both sides of the process boundary: it needs no CUDA context and no torch.

NVML counts GPUs along the bus. CUDA by itself puts the fastest first; `segbench.cli.main.run` makes it count along
the bus too (CUDA_DEVICE_ORDER=PCI_BUS_ID), for this process and its children.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA device as NVML sees it; index counts within CUDA_VISIBLE_DEVICES, as torch does.

    Attributes:
        memory_bytes, used_bytes: None where the GPU shares the host's memory and NVML counts none.
    """

    index: int
    name: str
    memory_bytes: int | None
    used_bytes: int | None


@contextmanager
def session() -> Iterator[ModuleType | None]:
    """The initialised `pynvml`, or None where there is no library or no driver."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # pynvml raises its own errors, and ImportError where it is not installed
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def visible_gpus() -> list[Gpu]:
    """The GPUs a CUDA program started now would see, in its order; empty without a driver, or with a lost GPU."""
    with session() as nvml:
        if nvml is None:
            return []
        try:
            return [_gpu(nvml, index, handle) for index, handle in enumerate(_visible_handles(nvml))]
        except nvml.NVMLError:
            return []


def driver_version() -> str | None:
    """The driver's version, or None without one."""
    with session() as nvml:
        return _text(nvml.nvmlSystemGetDriverVersion()) if nvml else None


def handle_of(nvml: ModuleType, index: int) -> object | None:
    """NVML's handle of torch's `cuda:index`; None where it cannot be told."""
    try:
        handles = _visible_handles(nvml)
    except nvml.NVMLError:
        return None
    return handles[index] if index < len(handles) else None


def memory_of(nvml: ModuleType, handle: object) -> tuple[int, int] | None:
    """Bytes of a GPU in all and in use; None where NVML cannot tell.

    The second version of the question does not count the driver's own reserve, some hundred MiB, as in use.
    """
    for version in ({"version": nvml.nvmlMemory_v2}, {}):
        try:
            found = nvml.nvmlDeviceGetMemoryInfo(handle, **version)
        except nvml.NVMLError:
            continue
        return int(found.total), int(found.used)
    return None


def _visible_handles(nvml: ModuleType) -> list[object]:
    handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return handles
    chosen = []
    for name in (part.strip() for part in wanted.split(",") if part.strip()):
        if name.isdigit() and int(name) < len(handles):
            chosen.append(handles[int(name)])
        elif name.startswith("GPU-"):  # may be shortened
            chosen += [handle for handle in handles if _text(nvml.nvmlDeviceGetUUID(handle)).startswith(name)]
        elif name.startswith("MIG-"):
            chosen.append(nvml.nvmlDeviceGetHandleByUUID(name))
        else:  # CUDA stops at the first name it cannot resolve
            break
    return chosen


def _gpu(nvml: ModuleType, index: int, handle: object) -> Gpu:
    total, used = memory_of(nvml, handle) or (None, None)
    return Gpu(index, _text(nvml.nvmlDeviceGetName(handle)), total, used)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
