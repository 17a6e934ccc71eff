"""Peak memory of a step on CUDA: what the caching allocator says, and what the whole process holds."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch

from segbench import nvml


@dataclass(frozen=True)
class CudaPeaks:
    """Bytes of the measured steps, and of the warm-up steps before them.

    Attributes:
        allocated, reserved: `torch.cuda.max_memory_*` over the measured steps, after the cache was emptied.
        process: of this process by NVML, context and libraries included; None with `process_cause` where NVML
            cannot map the process (in containers, process numbers differ from the host's).
        first_allocated: peak over the warm-up steps, where cuDNN tries algorithms with large workspaces; None without
            any.
        retries: how often an allocation succeeded only after the cache had been released.
    """

    allocated: int
    reserved: int
    process: int | None
    process_cause: str | None
    first_allocated: int | None
    retries: int


def measure_cuda_peaks(step: Callable[[], object], device: torch.device, warmup: int, repeats: int) -> CudaPeaks:
    """Warm-up steps, recorded apart; then empty the cache, reset the peaks, measure.

    The order matters: resetting before emptying the cache counts what the warm-up left (pytorch/pytorch#86449).
    """
    torch.cuda.reset_peak_memory_stats(device)
    _run(step, device, warmup)
    first = torch.cuda.max_memory_allocated(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = _retries(device)
    _run(step, device, repeats)
    reserved = torch.cuda.max_memory_reserved(device)
    process, cause = process_bytes(device)
    released = reserved - torch.cuda.memory_reserved(device)  # by retries since the peak: no longer in NVML's reading
    return CudaPeaks(
        allocated=torch.cuda.max_memory_allocated(device),
        reserved=reserved,
        process=None if process is None else process + released,
        process_cause=cause,
        first_allocated=first if warmup else None,
        retries=_retries(device) - before,
    )


def process_bytes(device: torch.device) -> tuple[int | None, str | None]:
    """What NVML says this process holds on the device now, or None and why not."""
    with nvml.session() as library:
        if library is None:
            return None, "NVML is not available"
        handle = nvml.handle_of(library, device.index or 0)
        if handle is None:
            return None, "NVML does not list the device"
        try:
            processes = library.nvmlDeviceGetComputeRunningProcesses(handle)
        except library.NVMLError as error:
            return None, f"NVML cannot list processes: {error}"
    mine = [item.usedGpuMemory for item in processes if item.pid == os.getpid()]
    if not mine:
        return None, "NVML does not see this process under its own number (a container?)"
    if mine[0] is None:
        return None, "NVML lists this process without its memory"
    return int(mine[0]), None


def bytes_used_by_others(device: torch.device) -> int | None:
    """Bytes of the GPU that this process does not hold; None where that cannot be told."""
    with nvml.session() as library:
        handle = nvml.handle_of(library, device.index or 0) if library else None
        if library is None or handle is None:
            return None
        memory = nvml.memory_of(library, handle)
    mine, _ = process_bytes(device)
    return None if mine is None or memory is None else max(0, memory[1] - mine)


def limit_memory(budget: int, device: torch.device, context: int) -> None:
    """Makes allocations beyond the budget fail, the context counted in.

    `set_per_process_memory_fraction` bounds the allocator alone (pytorch/pytorch#58466), so that the context is
    taken off first.
    """
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(max(0.0, min(1.0, (budget - context) / total)), device)


def _run(step: Callable[[], object], device: torch.device, times: int) -> None:
    for _ in range(times):
        step()
    torch.cuda.synchronize(device)


def _retries(device: torch.device) -> int:
    return int(torch.cuda.memory_stats(device).get("num_alloc_retries", 0))
