"""Steps of a trace that are copied from the one before.

Every inference is like the first. So is a training step like the one before it, once the optimizer has its state. The
second is like the first but for two things: it gives up the gradients of the first, and the optimizer makes no state.
Copying is right where a step took over from the one before just what it leaves to the next: then every storage that it
gives up has a successor of the same size, made by the same operator. What a library keeps from its first call on, it
asks for no more. A test compares copies with traced steps. A network whose own counters or flags a step changes is
traced (`segbench.estimate.kept_values`); a schedule kept elsewhere is not seen, for nothing of a copied step is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from segbench.estimate.log import Mark, StorageLog


def with_step_repeated(log: StorageLog) -> StorageLog | None:
    """The log with its last step once more; None where that step does not leave what it found."""
    last = max(mark.step for mark in log.marks)
    start, end = log.step_window(last)
    once = _kept(log, start, end, "workspaces")
    successors = _successors(log, *_found_and_left(log, start, end, once))
    if successors is None:
        return None
    return _continued(log, start, end, once, successors, _marks(log, last), last + 1)


def with_second_step(log: StorageLog) -> StorageLog | None:
    """The log of a training's first step and of the beginning of its second, with the rest of the second.

    In the beginning a step makes its batch and gives up the gradients of the step before. None where the first step
    leaves anything but them and the optimizer's state, or began with another batch.
    """
    start, end = log.step_window(1)
    once = _kept(log, start, end, "workspaces") | _kept(log, start, end, "optimizer state")
    found, left = _found_and_left(log, start, end, once)
    older = sum(event > 0 for event in log.events[:end])  # storages are numbered in the order of their births
    freed = sorted(-event - 1 for event in log.events[end:] if abs(event) <= older)
    batch = [event for event in log.events[end:] if abs(event) > older]
    first = log.events[start : start + len(batch)]
    successors = _successors(log, _made(first), _made(batch))
    if found or left != freed or successors is None or [_renamed(event, successors) for event in first] != batch:
        return None
    return _continued(log, start + len(batch), end, once, successors, _marks(log, 1)[1:], 2)


def _continued(
    log: StorageLog, start: int, end: int, once: set[int], successors: dict[int, int], marks: Sequence[Mark], step: int
) -> StorageLog:
    """The log and again, at its end, what happened from `start` to `end`.

    Args:
        once: events that are left out.
        successors: of storages that were there at `start`, those that stand for them now.
        marks: of that time.
        step: the number of the copied one.
    """
    copied = [event for event in log.events[start:end] if event not in once]
    made = _made(copied)
    successors = successors | {number: len(log.storages) + place for place, number in enumerate(made)}
    events = tuple(_renamed(event, successors) for event in copied)

    def moved(mark: Mark) -> Mark:
        passed = sum(event not in once for event in log.events[start : mark.position])
        return replace(mark, position=len(log.events) + passed, step=step)

    storages = (*log.storages, *(log.storages[number] for number in made))
    return StorageLog(storages, log.events + events, (*log.marks, *map(moved, marks)))


def _marks(log: StorageLog, step: int) -> list[Mark]:
    return [mark for mark in log.marks if mark.step == step]


def _made(events: Sequence[int]) -> list[int]:
    """Storages born, in order."""
    return [event - 1 for event in events if event > 0]


def _renamed(event: int, successors: dict[int, int]) -> int:
    return (1 if event > 0 else -1) * (successors[abs(event) - 1] + 1)


def _kept(log: StorageLog, start: int, end: int, role: str) -> set[int]:
    """Births of storages of a role that outlive the step."""
    window = log.events[start:end]
    gone = set(window)
    return {event for event in window if event > 0 and -event not in gone and log.storages[event - 1].role == role}


def _found_and_left(log: StorageLog, start: int, end: int, once: set[int]) -> tuple[list[int], list[int]]:
    """What a step gave up without having made it, and what it made without giving it up but for some."""
    window = log.events[start:end]
    own = {event - 1 for event in window if event > 0 and event not in once}
    gone = {-event - 1 for event in window if event < 0}
    return sorted(gone - own), sorted(own - gone)


def _successors(log: StorageLog, old: Sequence[int], new: Sequence[int]) -> dict[int, int] | None:
    """Of each of some storages the other one in its place; None where they are no pairs."""
    if len(old) != len(new) or any(_unlike(log, *pair) for pair in zip(old, new, strict=True)):
        return None
    return dict(zip(old, new, strict=True))


def _unlike(log: StorageLog, old: int, new: int) -> bool:
    one, other = log.storages[old], log.storages[new]
    return (one.bytes, one.operator, one.role) != (other.bytes, other.operator, other.role)
