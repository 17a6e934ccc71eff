"""The third step of a trace, copied from the second: a step in which the optimizer has its state is like the next one.

Copying is right where the second step took over from the first just what it leaves to the third: then every storage
that it gives up has a successor of the same size, made by the same operator. A test compares copies with traced steps.
A schedule of the network's own that changes its work in the third step is not seen: nothing of that step is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from segbench.estimate.log import StorageLog


def with_step_repeated(log: StorageLog) -> StorageLog | None:
    """The log with its last step once more; None where that step does not leave what it found."""
    last = max(mark.step for mark in log.marks)
    start, end = log.step_window(last)
    window = log.events[start:end]
    made = [event - 1 for event in window if event > 0]
    successors = _successors(log, window, made)
    if successors is None:
        return None
    successors |= {number: len(log.storages) + place for place, number in enumerate(made)}
    events = tuple((1 if event > 0 else -1) * (successors[abs(event) - 1] + 1) for event in window)
    marks = [
        replace(mark, position=mark.position + end - start, step=last + 1) for mark in log.marks if mark.step == last
    ]
    storages = (*log.storages, *(log.storages[number] for number in made))
    return StorageLog(storages, log.events + events, (*log.marks, *marks))


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
