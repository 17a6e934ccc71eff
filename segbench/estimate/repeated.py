"""A step of a trace, copied from the one before: a step in which the optimizer has its state is like the next one.

So is every inference like the first. Copying is right where a step took over from the one before just what it leaves to
the next: then every storage that it gives up has a successor of the same size, made by the same operator. What a
library keeps from its first call on, it asks for no more. A test compares copies with traced steps. A schedule of the
network's own that changes its work in a copied step is not seen: nothing of that step is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from segbench.estimate.log import StorageLog


def with_step_repeated(log: StorageLog) -> StorageLog | None:
    """The log with its last step once more; None where that step does not leave what it found."""
    last = max(mark.step for mark in log.marks)
    start, end = log.step_window(last)
    kept = _kept_by_libraries(log, log.events[start:end])
    window = [event for event in log.events[start:end] if event not in kept]
    made = [event - 1 for event in window if event > 0]
    successors = _successors(log, window, made)
    if successors is None:
        return None
    successors |= {number: len(log.storages) + place for place, number in enumerate(made)}
    events = tuple((1 if event > 0 else -1) * (successors[abs(event) - 1] + 1) for event in window)
    marks = [
        replace(mark, position=end + _count(log.events[start : mark.position], kept), step=last + 1)
        for mark in log.marks
        if mark.step == last
    ]
    storages = (*log.storages, *(log.storages[number] for number in made))
    return StorageLog(storages, log.events + events, (*log.marks, *marks))


def _kept_by_libraries(log: StorageLog, window: Sequence[int]) -> set[int]:
    """Births of buffers that are no tensors and outlive the step: a library asks for them once."""
    gone = set(window)
    return {
        event for event in window if event > 0 and -event not in gone and log.storages[event - 1].role == "workspaces"
    }


def _count(events: Sequence[int], kept: set[int]) -> int:
    """How many of the events are copied."""
    return sum(event not in kept for event in events)


def _successors(log: StorageLog, window: Sequence[int], made: Sequence[int]) -> dict[int, int] | None:
    """Of what the step found and gave up, those that it made and left; None where they are no pairs."""
    own, gone = set(made), [-event - 1 for event in window if event < 0]
    found, left = sorted(set(gone) - own), sorted(own - set(gone))
    if len(found) != len(left) or any(_unlike(log, old, new) for old, new in zip(found, left, strict=True)):
        return None
    return dict(zip(found, left, strict=True))


def _unlike(log: StorageLog, old: int, new: int) -> bool:
    one, other = log.storages[old], log.storages[new]
    return (one.bytes, one.operator, one.role) != (other.bytes, other.operator, other.role)
