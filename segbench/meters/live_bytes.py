"""Peak of live tensor bytes on the CPU, exact, from the profiler's memory events.

Every allocation and release of PyTorch's CPU allocator is an event. A buffer that one operator's kernel allocates and
frees by itself (oneDNN's reordered weights, im2col columns) is the CPU's twin of a cuDNN workspace: another device
would need another one, so it is kept apart as `kernel scratch` and not part of the live bytes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from segbench.memory_optimisations.saved_tensors import MARK
from segbench.workload.shards import local


@dataclass(frozen=True)
class LivePeak:
    """Bytes of one step.

    Attributes:
        live: most bytes alive at once, kernel scratch apart.
        scratch: largest buffers one kernel held for itself.
    """

    live: int
    scratch: int


@dataclass(frozen=True)
class _Event:
    start: int
    end: int
    name: str
    bytes: int


def measure_live_peaks(
    network: nn.Module, step: Callable[[], object], repeats: int, prepare: Callable[[], object] = lambda: None
) -> list[LivePeak]:
    """Runs `step` so many times under the profiler; the peak of each.

    Args:
        network: its parameters and buffers are alive before the first step.
        step: makes its own batch, so that the batch is counted, and keeps nothing alive but optimizer state.
        repeats: the first is where the optimizer makes its state, unless `prepare` does.
        prepare: runs before the steps; what it leaves alive counts in them.
    """
    base = storage_bytes(map(local, [*network.parameters(), *network.buffers()]))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        prepare()
        for _ in range(repeats):
            with torch.profiler.record_function(_STEP):
                step()
    events = [
        _Event(raw.start_ns(), raw.start_ns() + raw.duration_ns(), raw.name(), raw.nbytes())
        for raw in profiler.profiler.kineto_results.events()
    ]
    return peaks_from_events(events, base)


_STEP = "segbench.step"
_MEMORY = "[memory]"


def peaks_from_events(events: Iterable[_Event], base: int) -> list[LivePeak]:
    """The peak of every step, from events in any order and the bytes alive before them."""
    ordered = sorted(events, key=lambda event: (event.start, -event.end))
    steps = [event for event in ordered if event.name == _STEP]
    memory = [event for event in ordered if event.name == _MEMORY]
    hooks = [event.start for event in ordered if event.name == MARK]
    operators = [event for event in ordered if event.name.startswith("aten::") and not _holds(event, hooks)]
    owners = _owners(memory, operators)
    scratch = _scratch(memory, owners)
    return [_peak_within(step, memory, scratch, base) for step in steps]


def _holds(operator: _Event, hooks: list[int]) -> bool:
    """Whether a saved tensor was encoded within the operator: what that makes is no buffer of the operator's kernel."""
    place = bisect_left(hooks, operator.start)
    return place < len(hooks) and hooks[place] <= operator.end


def _peak_within(step: _Event, memory: list[_Event], scratch: set[int], base: int) -> LivePeak:
    live, peak, inside, largest = base, base, 0, 0
    for number, event in enumerate(memory):
        if event.start > step.end:
            break
        if number in scratch:
            inside = inside + event.bytes if event.start >= step.start else 0
            largest = max(largest, inside)
        else:
            live += event.bytes
            peak = max(peak, live) if event.start >= step.start else live
    return LivePeak(peak, largest)


def _owners(memory: list[_Event], operators: list[_Event]) -> list[int | None]:
    """For each memory event, the number of the outermost operator with a kernel of its own that contains it.

    Operators that only call others (`aten::conv2d`, `aten::dropout`) are looked through: what they allocate between
    two kernels is a tensor like any other.
    """
    kernels = [event for event in operators if not _calls_others(event.name)]
    outermost: list[_Event] = []
    for event in kernels:  # sorted by start, longest first: a nested one starts before its owner's end
        if not outermost or event.start >= outermost[-1].end:
            outermost.append(event)
    owners: list[int | None] = []
    at = 0
    for event in memory:
        while at < len(outermost) and outermost[at].end < event.start:
            at += 1
        inside = at < len(outermost) and outermost[at].start <= event.start
        owners.append(at if inside else None)
    return owners


def _scratch(memory: list[_Event], owners: list[int | None]) -> set[int]:
    """Numbers of the events that are a kernel's own buffers: allocated and freed within the same kernel."""
    found: set[int] = set()
    open_owner: int | None = None
    opened: list[int] = []
    for number, (event, owner) in enumerate(zip(memory, owners, strict=True)):
        if owner is None:
            continue
        if owner != open_owner:
            open_owner, opened = owner, []
        if event.bytes > 0:
            opened.append(number)
            continue
        match = next((other for other in reversed(opened) if memory[other].bytes == -event.bytes), None)
        if match is not None:
            opened.remove(match)
            found |= {match, number}
    return found


@cache
def _calls_others(name: str) -> bool:
    """Whether the operator is composite: implemented by calls of others, on every device.

    The profiler does not tell overloads apart. One with a kernel of its own among them (`upsample_bilinear2d`, whose
    `vec` overload only calls the default one) makes the name a kernel's. Overloads that write into a given tensor do
    not count: `linear.out` has a kernel, and programs call `linear`, which is composite.
    """
    found = [overload for overload in (name, *_overloads(name)) if torch._C._dispatch_has_kernel(overload)]
    key = "CompositeImplicitAutograd"
    return bool(found) and all(torch._C._dispatch_has_kernel_for_dispatch_key(overload, key) for overload in found)


def _overloads(name: str) -> list[str]:
    packet = getattr(torch.ops.aten, name.removeprefix("aten::"), None)
    overloads = packet.overloads() if packet else []
    return [f"{name}.{overload}" for overload in overloads if overload != "default" and not overload.endswith("out")]


def storage_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of the distinct storages behind the tensors."""
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())
