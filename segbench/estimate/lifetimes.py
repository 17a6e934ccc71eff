"""Watching storages: when each is born, when it dies, in which phase and module, and what it turns out to be for."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from segbench.estimate.log import Mark, Storage, StorageLog


@dataclass(slots=True)
class Record:
    """A storage while the trace runs; its role may become known long after its birth."""

    bytes: int
    operator: str
    module: str
    shape: tuple[int, ...]
    dtype: str
    phase: str
    role: str = ""


@dataclass(frozen=True)
class Excerpt:
    """What happened meanwhile to storages that were made meanwhile; numbers begin at the first of these.

    Attributes:
        records: of the storages.
        events: as in a log.
        left: storages that live on.
    """

    records: tuple[Record, ...]
    events: tuple[int, ...]
    left: frozenset[int]


class _Watch(weakref.ref[Any]):
    """A weak reference that knows which storage it watched."""

    __slots__ = ("address", "number")

    address: int
    number: int


class Lifetimes:
    """The events of a run as they happen.

    A storage's Python object lives exactly as long as the storage itself, so that a weak reference tells its death.

    Args:
        on_death: told the address of every storage that dies.

    Attributes:
        phase: the present phase, see `enter`.
        module: name of the module to which the present operator belongs.
    """

    def __init__(self, on_death: Callable[[int], None]) -> None:
        self._on_death = on_death
        self.records: list[Record] = []
        self.events: list[int] = []
        self.phase = ""
        self.module = ""
        self._step = 0
        self._marks: list[Mark] = []
        self._watches: dict[int, _Watch] = {}

    def copy(self, on_death: Callable[[int], None]) -> Lifetimes:
        """Another log, up to here the same, of the same storages."""
        twin = Lifetimes(on_death)
        twin.records = [replace(record) for record in self.records]
        twin.events, twin._marks = list(self.events), list(self._marks)
        twin.phase, twin.module, twin._step = self.phase, self.module, self._step
        for watch in self._watches.values():
            storage = watch()
            if storage is not None:
                twin.watch(storage, watch.number)
        return twin

    @property
    def size(self) -> tuple[int, int]:
        """How many events and records there are so far."""
        return len(self.events), len(self.records)

    def since(self, size: tuple[int, int]) -> Excerpt | None:
        """What happened since then; None where an older storage died, or a library made something that lasts."""
        first, events = size[1], self.events[size[0] :]
        births, deaths = ({abs(event) for event in events if event * sign > 0} for sign in (1, -1))
        alive = self.alive
        if min(deaths, default=first + 1) <= first or not births - deaths <= {number + 1 for number in alive}:
            return None
        return Excerpt(
            records=tuple(map(replace, self.records[first:])),
            events=tuple(_moved(event, -first) for event in events),
            left=frozenset(number - first for number in alive if number >= first),
        )

    def repeat(self, excerpt: Excerpt) -> int:
        """Lets it happen once more; the number of its first storage. Those that live on are to be watched."""
        first = len(self.records)
        self.records += [replace(record, phase=self.phase) for record in excerpt.records]
        self.events += [_moved(event, first) for event in excerpt.events]
        return first

    def watch(self, storage: torch.UntypedStorage, number: int) -> None:
        """Tells the death of a storage."""
        watch = _Watch(storage, self._died)
        watch.address, watch.number = storage._cdata, number
        self._watches[watch.address] = watch

    @property
    def alive(self) -> set[int]:
        """Numbers of the storages that live now."""
        return {watch.number for watch in self._watches.values()}

    def enter(self, phase: str, step: int | None = None) -> None:
        """Starts a phase; whatever lives when the backward pass starts was kept for it."""
        self._step = self._step if step is None else step
        if phase == "backward":
            self._keep_activations()
        self.phase = phase
        self._marks.append(Mark(len(self.events), self._step, phase))

    def born(self, tensor: torch.Tensor, operator: str) -> int:
        """Number of the tensor's storage, which is new unless it was seen before."""
        storage = tensor.untyped_storage()
        address = storage._cdata
        known = self._watches.get(address)
        if known is not None:
            return known.number
        number = len(self.records)
        size = storage.nbytes()
        self.records.append(
            Record(size, operator, self.module, tuple(tensor.shape), str(tensor.dtype)[6:], phase=self.phase)
        )
        self.watch(storage, number)
        if size:
            self.events.append(number + 1)
        return number

    def resized(self, tensor: torch.Tensor, operator: str) -> None:
        """The tensor's storage was given other bytes by hand: the old ones died, the new ones, if any, are born."""
        watch = self._watches.pop(tensor.untyped_storage()._cdata, None)
        if watch is not None and self.records[watch.number].bytes:
            self.events.append(-(watch.number + 1))
        if tensor.untyped_storage().nbytes():
            self.born(tensor, operator)

    def passing(self, size: int, operator: str, role: str) -> None:
        """A buffer that is asked for and given back within one operator."""
        self.passing_together((size,), operator, role)

    def passing_together(self, sizes: Sequence[int], operator: str, role: str) -> None:
        """Buffers that are alive at once within one operator."""
        births = [self._unwatched(size, operator, role) + 1 for size in sizes]
        self.events += [*births, *(-birth for birth in births)]

    def lasting(self, size: int, operator: str, role: str) -> None:
        """A buffer that a library keeps for good."""
        self.events.append(self._unwatched(size, operator, role) + 1)

    def number(self, tensor: torch.Tensor) -> int | None:
        """Number of the tensor's storage; None if it was never seen."""
        watch = self._watches.get(tensor.untyped_storage()._cdata)
        return None if watch is None else watch.number

    def label(self, tensor: torch.Tensor | None, role: str, module: str | None = None) -> None:
        """The tensor's storage serves `role`, and always did; `module` owns it, if given."""
        number = None if tensor is None else self.number(tensor)
        if number is not None:
            record = self.records[number]
            record.role = role
            record.module = record.module if module is None else module

    def died_since(self, position: int, number: int) -> bool:
        """Whether storage `number` died at or after event number `position`."""
        return -(number + 1) in self.events[position:]

    def continue_as(self, position: int, older: int) -> None:
        """The storage born at `position` was in truth the older one, which did not die: both events vanish."""
        newer = self.events.pop(position) - 1
        death = self.events.index(-(older + 1), position)
        del self.events[death]
        for watch in reversed(self._watches.values()):
            if watch.number == newer:
                watch.number = older
                return
        self.events[self.events.index(-(newer + 1), position)] = -(older + 1)

    def log(self) -> StorageLog:
        """The log up to here; what dies afterwards does not count."""
        born = [event - 1 for event in self.events if event > 0]
        renumbered = {number: new for new, number in enumerate(born)}
        storages = tuple(_finished(self.records[number]) for number in born)
        events = tuple((1 if event > 0 else -1) * (renumbered[abs(event) - 1] + 1) for event in self.events)
        return StorageLog(storages, events, tuple(self._marks))

    def _died(self, watch: weakref.ref[Any]) -> None:
        assert isinstance(watch, _Watch)
        if self._watches.get(watch.address) is watch:
            del self._watches[watch.address]
            self._on_death(watch.address)
        if self.records[watch.number].bytes:
            self.events.append(-(watch.number + 1))

    def _keep_activations(self) -> None:
        for watch in self._watches.values():
            record = self.records[watch.number]
            if record.phase == "forward" and not record.role:
                record.role = "activations"

    def _unwatched(self, size: int, operator: str, role: str) -> int:
        self.records.append(Record(size, operator, self.module, (size,), "uint8", self.phase, role))
        return len(self.records) - 1


def _moved(event: int, by: int) -> int:
    return event + by if event > 0 else event - by


def _finished(record: Record) -> Storage:
    return Storage(
        bytes=record.bytes,
        role=record.role or "temporaries",
        operator=record.operator,
        module=record.module,
        shape=record.shape,
        dtype=record.dtype,
    )
