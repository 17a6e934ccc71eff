"""A trace whose convolutions' workspaces are chosen afterwards; a small file, to be replayed without the network."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, field, replace
from itertools import accumulate
from typing import Any

from segbench.estimate.collector import resting
from segbench.estimate.convolution_workspaces import Convolution, convolution_of
from segbench.estimate.log import Mark, Storage, StorageLog
from segbench.estimate.overheads import Overheads


@dataclass(frozen=True)
class WorkspaceRecording(Overheads):
    """Overheads that note convolutions: a workspace's bytes are the number, from 1, of its place in `seen`."""

    seen: dict[Convolution, int] = field(default_factory=dict)

    def convolution_workspace(self, function: Any, args: Sequence[Any], output: Any) -> int:
        found = convolution_of(function, args, output)
        return 0 if found is None else self.seen.setdefault(found, len(self.seen) + 1)


@dataclass(frozen=True)
class Recorded:
    """What a trace with `WorkspaceRecording` left.

    Attributes:
        log: with numbers of convolutions for the bytes of their workspaces.
        convolutions: in the order of these numbers.
    """

    log: StorageLog
    convolutions: tuple[Convolution, ...]

    @resting()
    def with_workspaces(self, bytes_of: Callable[[Convolution], int]) -> StorageLog:
        """The log in which every convolution asks for a workspace of so many bytes; of 0 for none."""
        sizes = [0, *map(bytes_of, self.convolutions)]
        storages = tuple(_sized(item, sizes) if is_noted(item) else item for item in self.log.storages)
        return StorageLog(storages, self.log.events, self.log.marks).without(_NOTHING)

    def convolution_at(self, storage: Storage) -> Convolution | None:
        """Which convolution a storage stands for."""
        return self.convolutions[storage.bytes - 1] if is_noted(storage) else None

    def to_bytes(self) -> bytes:
        """As a compressed file; shapes and dtypes of storages are left out."""
        kinds = list(dict.fromkeys(map(_kind, self.log.storages)))
        number = {kind: place for place, kind in enumerate(kinds)}
        held = {
            "kinds": kinds,
            "storages": [[storage.bytes, number[_kind(storage)]] for storage in self.log.storages],
            "events": _ages(self.log.events),
            "marks": [[mark.position, mark.step, mark.phase] for mark in self.log.marks],
            "convolutions": [astuple(item) for item in self.convolutions],
        }
        return lzma.compress(json.dumps(held, separators=(",", ":")).encode(), preset=9)

    @classmethod
    def from_bytes(cls, data: bytes) -> Recorded:
        """Inverse of `to_bytes`."""
        held = json.loads(lzma.decompress(data))
        kinds = held["kinds"]
        storages = tuple(_storage(size, *kinds[kind]) for size, kind in held["storages"])
        log = StorageLog(storages, tuple(_events(held["events"])), tuple(Mark(*mark) for mark in held["marks"]))
        return cls(log, tuple(Convolution(*map(_frozen, item)) for item in held["convolutions"]))


_NOTHING = "no workspace"


def is_noted(storage: Storage) -> bool:
    """Whether a storage stands for a convolution."""
    return storage.role == "workspaces" and "convolution" in storage.operator


def _sized(storage: Storage, sizes: list[int]) -> Storage:
    size = sizes[storage.bytes]
    return replace(storage, bytes=size) if size else replace(storage, role=_NOTHING)


def _storage(size: int, role: str, operator: str, module: str) -> Storage:
    return Storage(size, role, operator, module, shape=(), dtype="")


def _kind(storage: Storage) -> tuple[str, str, str]:
    return storage.role, storage.operator, storage.module


def _ages(events: Sequence[int]) -> list[int]:
    """0 for a birth, since they come in order; for a death how many births ago its storage was born, 1 the newest.

    Steps are alike in this form, so that it compresses well.
    """
    born = accumulate(event > 0 for event in events)
    return [0 if event > 0 else count + event + 1 for event, count in zip(events, born, strict=True)]


def _events(ages: Sequence[int]) -> Iterator[int]:
    born = 0
    for age in ages:
        born += age == 0
        yield born if age == 0 else age - born - 1


def _frozen(item: Any) -> Any:
    return tuple(item) if isinstance(item, list) else item
