"""How much of a run's budget is used: steps, or seconds that only training steps spend."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch

from segbench.learning.plan import TrainingPlan


class TrainingClock:
    """Counts the seconds spent inside `running`, and knows how far that is through the budget.

    On a CPU they are CPU seconds of the process, all its threads together: another job on the same core costs a
    training no share of its budget; what loader processes prepare is not counted. On CUDA, where the process mostly
    waits, they are wall seconds, and nothing is waited for between steps: the host prepares a step while the device
    works on those before. Validation and checkpoints are outside `running` and cost nothing; `settle` before them
    counts what the device has still to do.

    Args:
        plan: names the budget.
        images_per_epoch: turns epochs into steps.
        tick: gives seconds.
        used: by the run before it was interrupted.
        wait: returns when the device has done what it was given; None where calls return when their work is done.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        images_per_epoch: int,
        tick: Callable[[], float],
        used: float = 0.0,
        wait: Callable[[], object] | None = None,
    ) -> None:
        self._tick = tick
        self._wait = wait
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

    def settle(self) -> None:
        """Waits for the steps that were launched, on the budget's account."""
        if self._wait is not None:
            with self.running():
                self._wait()

    def progress(self, step: int) -> float:
        """Share of the budget that is used after `step` steps, from 0; 1 or more is the end."""
        if self._seconds is not None:
            return self.used / self._seconds
        assert self.steps is not None  # a plan has exactly one budget
        return step / self.steps


def tick_of(device_type: str) -> Callable[[], float]:
    """The clock that suits a device: see `TrainingClock`."""
    return time.perf_counter if device_type == "cuda" else time.process_time


def wait_of(device: torch.device) -> Callable[[], object] | None:
    """Returns when the device has done its steps; None where steps are over when their calls return."""
    return partial(torch.cuda.synchronize, device) if device.type == "cuda" else None
