"""The log of a traced run: which storages were born, when they died, and what they were for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

ROLES = ("parameters", "optimizer state", "gradients", "activations", "temporaries", "inputs", "workspaces")
"""What a storage is for, in the order in which they are stacked in a timeline.

`parameters` include buffers; `activations` were born in the forward pass and live when the backward pass starts (saved
for it, or still held by the caller); `temporaries` are everything else that operators make; `workspaces` are no tensors
but buffers that a library asks of the allocator.
"""


@dataclass(frozen=True, slots=True)
class Storage:
    """One piece of memory that tensors share.

    Attributes:
        bytes: its size, before any rounding.
        role: one of `ROLES`.
        operator: the operator that made it, such as `aten.convolution`.
        module: qualified name of the module in whose call, or whose backward, it was made; empty outside of modules.
        shape, dtype: of the first tensor seen on it.
    """

    bytes: int
    role: str
    operator: str
    module: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def label(self) -> str:
        """`64x180x240 float32`, the way a reader recognises it."""
        return f"{'x'.join(map(str, self.shape)) or 'scalar'} {self.dtype}"


@dataclass(frozen=True, slots=True)
class Mark:
    """From event number `position` on, the run was in `step` (0 while it was built) and `phase`."""

    position: int
    step: int
    phase: str


@dataclass(frozen=True)
class StorageLog:
    """Births and deaths of storages, in order.

    Attributes:
        storages: every storage that was ever alive.
        events: `n + 1` where storage `n` is born, `-(n + 1)` where it dies; what never dies was held at the end.
        marks: phases, in order.
    """

    storages: tuple[Storage, ...]
    events: tuple[int, ...]
    marks: tuple[Mark, ...] = ()

    @cached_property
    def measured_from(self) -> int:
        """Position of the first event of the second step: the first warms up, as in a measurement."""
        wanted = min(2, max((mark.step for mark in self.marks), default=0))
        return self.step_window(wanted)[0]

    def step_window(self, step: int) -> tuple[int, int]:
        """Positions of a step's first event and of the first one after it."""
        starts = [mark.position for mark in self.marks if mark.step == step]
        ends = [mark.position for mark in self.marks if mark.step > step]
        return (min(starts, default=0), min(ends, default=len(self.events)))

    def live_bytes(self, of_interest: Callable[[Storage], bool] | None = None) -> list[int]:
        """Bytes alive after each event; workspaces are no tensors and do not count unless `of_interest` says so."""
        counted = of_interest or (lambda storage: storage.role != "workspaces")
        sizes = [storage.bytes if counted(storage) else 0 for storage in self.storages]
        return list(accumulate(sizes[event - 1] if event > 0 else -sizes[-event - 1] for event in self.events))

    @cached_property
    def peak(self) -> tuple[int, int]:
        """(position, bytes) of the first maximum of live bytes in the measured steps."""
        live = self.live_bytes()
        start = max(self.measured_from - 1, 0)
        window = live[start:]
        if not window:
            return 0, 0
        most = max(window)
        return start + window.index(most), most

    def alive_at(self, position: int) -> list[int]:
        """Numbers of the storages alive right after the event at `position`."""
        alive: dict[int, None] = {}
        for event in self.events[: position + 1]:
            if event > 0:
                alive[event - 1] = None
            else:
                del alive[-event - 1]
        return list(alive)

    def breakdown(self, position: int | None = None) -> dict[str, int]:
        """Bytes a role at `position`, the peak if None; every role is named, workspaces included."""
        totals = dict.fromkeys(ROLES, 0)
        for number in self.alive_at(self.peak[0] if position is None else position):
            totals[self.storages[number].role] += self.storages[number].bytes
        return totals

    def largest(self, count: int, position: int | None = None) -> list[Storage]:
        """The `count` largest storages alive at `position`, the peak if None."""
        alive = self.alive_at(self.peak[0] if position is None else position)
        return sorted((self.storages[number] for number in alive), key=lambda storage: -storage.bytes)[:count]

    def by_module(self, position: int | None = None, depth: int = 1) -> dict[str, int]:
        """Bytes alive at `position`, the peak if None, by the first `depth` parts of the module's name; most first."""
        totals: defaultdict[str, int] = defaultdict(int)
        for number in self.alive_at(self.peak[0] if position is None else position):
            storage = self.storages[number]
            totals[".".join(storage.module.split(".")[:depth])] += storage.bytes
        return dict(sorted(totals.items(), key=lambda item: -item[1]))

    def mark_at(self, position: int) -> Mark:
        """The phase in which the event at `position` happened."""
        before = [mark for mark in self.marks if mark.position <= position]
        return before[-1] if before else Mark(0, 0, "")

    def same_memory(self, other: StorageLog) -> bool:
        """Whether another run asks for as many bytes in the same order."""
        return (self.events, self.marks) == (other.events, other.marks) and [
            storage.bytes for storage in self.storages
        ] == [storage.bytes for storage in other.storages]

    def without(self, role: str) -> StorageLog:
        """The same run without the storages of one role."""
        gone = {number for number, storage in enumerate(self.storages) if storage.role == role}
        if not gone:
            return self
        kept = [abs(event) - 1 not in gone for event in self.events]
        before = [0, *accumulate(kept)]
        events = tuple(event for event, keep in zip(self.events, kept, strict=True) if keep)
        marks = tuple(replace(mark, position=before[mark.position]) for mark in self.marks)
        return StorageLog(self.storages, events, marks)
