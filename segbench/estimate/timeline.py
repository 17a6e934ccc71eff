"""Bytes by role over the step in which the peak lies, thinned to a few hundred moments."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from segbench.estimate.log import ROLES, StorageLog

MOMENTS = 400
"""About the width of a figure in dots; more cannot be seen."""


@dataclass(frozen=True)
class Timeline:
    """One step's memory.

    Attributes:
        moments: of each moment, its place in the step, from 0 to 1 (the step's events are evenly spaced: memory knows
            no clock).
        bytes: by role, a value for each moment.
        phases: (place, name) of every phase's start.
    """

    moments: tuple[float, ...]
    bytes: dict[str, tuple[int, ...]]
    phases: tuple[tuple[float, str], ...]


def timeline(log: StorageLog, moments: int = MOMENTS) -> Timeline:
    """The timeline of the peak's step. Of neighbouring moments the fullest is kept, so that the peak stays."""
    step = max(1, log.mark_at(log.peak[0]).step)
    start, end = log.step_window(step)
    curves = {role: log.live_bytes(lambda storage, role=role: storage.role == role) for role in ROLES}  # type: ignore[misc]
    total = [sum(values) for values in zip(*curves.values(), strict=True)]
    kept = _fullest(total, start, end, moments)
    length = max(1, end - start)
    return Timeline(
        moments=tuple((position - start) / length for position in kept),
        bytes={role: tuple(curve[position] for position in kept) for role, curve in curves.items()},
        phases=tuple(((mark.position - start) / length, mark.phase) for mark in log.marks if mark.step == step),
    )


def _fullest(total: list[int], start: int, end: int, moments: int) -> list[int]:
    """Positions from `start` to `end`, one of each of `moments` equal stretches: where most was alive."""
    width = max(1.0, (end - start) / moments)
    edges = [start + round(number * width) for number in range(min(moments, end - start) + 1)]
    return [max(range(left, right), key=total.__getitem__) for left, right in pairwise(edges) if right > left]
