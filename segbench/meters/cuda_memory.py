"""Peak memory of a step on CUDA: what the caching allocator says, and what the whole process holds."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch

from segbench import nvml
from segbench.units import MIB


@dataclass(frozen=True)
class CudaPeaks:
    """Bytes of the measured steps, and of the warm-up steps before them.

    Attributes:
        allocated, reserved: `torch.cuda.max_memory_*` over the measured steps, after the cache was emptied.
        process: of this process by NVML, context and libraries included; where NVML cannot map the process (in
            containers, process numbers differ from the host's), what the whole device holds beyond the level before
            the process began to use it. None with `process_cause` where neither is known.
        process_how: one sentence where it is not NVML's own number for the process.
        first_allocated: peak over the warm-up steps, where cuDNN tries algorithms with large workspaces; None without
            any.
        retries: how often an allocation succeeded only after the cache had been released.
    """

    allocated: int
    reserved: int
    process: int | None
    process_cause: str | None
    process_how: str | None
    first_allocated: int | None
    retries: int


_MOST_WARM_UPS = 20
"""fp16's loss scale begins at 2^16 and is halved at every skipped step: by then it is below 1."""


def measure_cuda_peaks(
    step: Callable[[], object],
    device: torch.device,
    warmup: int,
    repeats: int,
    is_warm: Callable[[], bool] = lambda: True,
) -> CudaPeaks:
    """Warm-up steps, recorded apart; then empty the cache, reset the peaks, measure.

    The order matters: resetting before emptying the cache counts what the warm-up left (pytorch/pytorch#86449).

    Args:
        warmup: steps at least.
        is_warm: whether the next step holds all that a later one holds; up to 20 steps are waited for it.
    """
    torch.cuda.reset_peak_memory_stats(device)
    _run(step, device, warmup)
    for _ in range(_MOST_WARM_UPS - warmup):
        if is_warm():
            break
        _run(step, device, 1)
    first = torch.cuda.max_memory_allocated(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = _retries(device)
    _run(step, device, repeats)
    reserved = torch.cuda.max_memory_reserved(device)
    held = process_bytes(device)
    released = reserved - torch.cuda.memory_reserved(device)  # by retries since the peak: no longer in NVML's reading
    return CudaPeaks(
        allocated=torch.cuda.max_memory_allocated(device),
        reserved=reserved,
        process=None if held.bytes is None else held.bytes + released,
        process_cause=held.cause,
        process_how=held.how,
        first_allocated=first if warmup else None,
        retries=_retries(device) - before,
    )


_LEVEL_BEFORE: dict[int, int] = {}
"""Bytes in use on each device before this process had a context there."""


def remember_level(device: torch.device) -> None:
    """Notes what is in use on a CUDA device; to be called before anything of torch touches it, else it does nothing."""
    if device.type != "cuda" or torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return
    used = _used_bytes(device)
    if used is not None:
        _LEVEL_BEFORE.setdefault(device.index or 0, used)


@dataclass(frozen=True)
class ProcessBytes:
    """What this process holds on a device.

    Attributes:
        bytes: None with a `cause`.
        how: one sentence where NVML did not tell it of the process itself.
    """

    bytes: int | None
    cause: str | None = None
    how: str | None = None


_BY_DIFFERENCE = (
    "memory in use on the whole GPU beyond the {level:.0f} MiB before this process began, since {cause}; "
    "other programs that came or went meanwhile are in it"
)


def process_bytes(device: torch.device) -> ProcessBytes:
    """What this process holds on the device now: by NVML's list of processes, else by the device's level."""
    listed, cause = _listed_bytes(device)
    if listed is not None:
        return ProcessBytes(listed)
    before, used = _LEVEL_BEFORE.get(device.index or 0), _used_bytes(device)
    if before is None or used is None or used < before:
        return ProcessBytes(None, cause)
    return ProcessBytes(used - before, how=_BY_DIFFERENCE.format(level=before / MIB, cause=cause))


def _listed_bytes(device: torch.device) -> tuple[int | None, str]:
    """Of this process in NVML's list, or None and why not."""
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
    return int(mine[0]), ""


def _used_bytes(device: torch.device) -> int | None:
    """On the whole device, by all programs."""
    with nvml.session() as library:
        handle = nvml.handle_of(library, device.index or 0) if library else None
        memory = nvml.memory_of(library, handle) if library is not None and handle is not None else None
    return None if memory is None else memory[1]


def bytes_used_by_others(device: torch.device) -> int | None:
    """Bytes of the GPU that this process does not hold; None where that cannot be told."""
    used, mine = _used_bytes(device), process_bytes(device).bytes
    return None if mine is None or used is None else max(0, used - mine)


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
