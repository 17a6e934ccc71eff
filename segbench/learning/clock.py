"""How much of a run's budget is used: steps, or seconds that only training steps spend."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from segbench.learning.plan import TrainingPlan


class TrainingClock:
    """Counts the seconds spent inside `running`, and knows how far that is through the budget.

    On a CPU they are CPU seconds of the process, all its threads together: another job on the same core costs a
    training no share of its budget; what loader processes prepare is not counted. On CUDA, where the process mostly
    waits, they are wall seconds. Validation and checkpoints are outside `running` and cost nothing.

    Args:
        plan: names the budget.
        images_per_epoch: turns epochs into steps.
        tick: gives seconds.
        used: by the run before it was interrupted.
    """

    def __init__(self, plan: TrainingPlan, images_per_epoch: int, tick: Callable[[], float], used: float = 0.0) -> None:
        self._tick = tick
        self.used = used
        self._seconds = plan.minutes * 60 if plan.minutes is not None else None
        self.steps = plan.steps
        if plan.epochs is not None:
            self.steps = -(-plan.epochs * images_per_epoch // plan.recipe.batch_size)

    @contextmanager
    def running(self) -> Iterator[None]:
        start = self._tick()
        try:
            yield
        finally:
            self.used += self._tick() - start

    def progress(self, step: int) -> float:
        """Share of the budget that is used after `step` steps, from 0; 1 or more is the end."""
        if self._seconds is not None:
            return self.used / self._seconds
        assert self.steps is not None  # a plan has exactly one budget
        return step / self.steps


def tick_of(device_type: str) -> Callable[[], float]:
    """The clock that suits a device: see `Clock`."""
    return _cuda_seconds if device_type == "cuda" else time.process_time


def _cuda_seconds() -> float:
    """Wall seconds once the device has done what it was given: a step counts when it is over, not when launched."""
    torch.cuda.synchronize()
    return time.perf_counter()
