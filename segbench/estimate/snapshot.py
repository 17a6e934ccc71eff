"""A predicted run in PyTorch's memory-snapshot format, for the viewer at pytorch.org/memory_viz.

The format is what `torch.cuda.memory._dump_snapshot` pickles: segments with their blocks, and the trace of everything
the allocator did. A frame of the call stack holds the module where real snapshots hold a line of code.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segbench.estimate.allocator import Action, replay
from segbench.estimate.log import Storage, StorageLog

JsonObject = dict[str, Any]


def write_snapshot(log: StorageLog, path: Path) -> None:
    """Replays the log and pickles what the allocator did."""
    with path.open("wb") as file:
        pickle.dump(snapshot(log), file)


def snapshot(log: StorageLog) -> JsonObject:
    """The snapshot at the end of the run, with the trace of how it came about."""
    recorder = _Recorder(log)
    replay(log, observer=recorder.happened, before=recorder.begins)
    return {
        "segments": list(recorder.segments()),
        "device_traces": [recorder.trace],
        "allocator_settings": {"predicted": True, "expandable_segments": False},
        "external_annotations": [],
    }


class _Recorder:
    """Turns the allocator's actions into trace entries and remembers what is held."""

    def __init__(self, log: StorageLog) -> None:
        self.trace: list[JsonObject] = []
        self._log = log
        self._frames: list[JsonObject] = []
        self._held: dict[int, int] = {}
        self._used: dict[int, tuple[int, list[JsonObject]]] = {}

    def begins(self, event: int) -> None:
        """The event of the log to which the next actions belong."""
        self._frames = _frames(self._log.storages[abs(event) - 1])

    def happened(self, action: Action) -> None:
        if action.kind == "free":
            self._note("free_requested", action)
            self._note("free_completed", action)
            del self._used[action.address]
            return
        self._note(action.kind, action)
        if action.kind == "alloc":
            self._used[action.address] = (action.bytes, self._frames)
        elif action.kind == "segment_alloc":
            self._held[action.address] = action.bytes
        else:
            del self._held[action.address]

    def segments(self) -> Iterator[JsonObject]:
        """The segments held at the end, each cut into used and free blocks."""
        for address, size in sorted(self._held.items()):
            blocks = list(self._blocks(address, size))
            used = sum(block["size"] for block in blocks if block["state"] == "active_allocated")
            yield {
                "device": 0,
                "address": address,
                "total_size": size,
                "allocated_size": used,
                "active_size": used,
                "requested_size": used,
                "stream": 0,
                "segment_type": "small" if size == 2 * 2**20 else "large",
                "segment_pool_id": (0, 0),
                "is_expandable": False,
                "frames": [],
                "blocks": blocks,
            }

    def _blocks(self, address: int, size: int) -> Iterator[JsonObject]:
        at, end = address, address + size
        for start in sorted(place for place in self._used if address <= place < end):
            if start > at:
                yield _block(at, start - at, "inactive", [])
            used, frames = self._used[start]
            yield _block(start, used, "active_allocated", frames)
            at = start + used
        if at < end:
            yield _block(at, end - at, "inactive", [])

    def _note(self, kind: str, action: Action) -> None:
        self.trace.append(
            {
                "action": kind,
                "addr": action.address,
                "size": action.bytes,
                "stream": 0,
                "time_us": len(self.trace),  # memory knows no clock; the order is the time
                "frames": self._frames,
            }
        )


def _block(address: int, size: int, state: str, frames: list[JsonObject]) -> JsonObject:
    return {"address": address, "size": size, "requested_size": size, "state": state, "frames": frames}


def _frames(storage: Storage) -> list[JsonObject]:
    """Two frames: what made it, and which module's it is."""
    what = {"name": f"{storage.role}: {storage.label}", "filename": storage.operator, "line": 0}
    where = {"name": "forward", "filename": storage.module or "network", "line": 0}
    return [what, where]
