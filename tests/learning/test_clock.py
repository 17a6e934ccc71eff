"""Budgets in epochs, steps and minutes."""

from __future__ import annotations

import time
from functools import partial

import pytest
import torch

from segbench.cards.card import Recipe
from segbench.learning.clock import TrainingClock, tick_of, wait_of
from segbench.learning.plan import TrainingPlan


class Ticks:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_only_what_runs_inside_counts_towards_minutes():
    ticks = Ticks()
    clock = TrainingClock(TrainingPlan(minutes=2), 100, ticks)
    with clock.running():
        ticks.now += 30
    ticks.now += 1000
    with clock.running():
        ticks.now += 30
    assert clock.used == 60 and clock.progress(step=7) == pytest.approx(0.5)


def test_an_interrupted_budget_goes_on_from_what_was_used():
    clock = TrainingClock(TrainingPlan(minutes=1), 100, Ticks(), used=45)
    assert clock.progress(0) == pytest.approx(0.75)


def test_epochs_are_steps_rounded_up():
    clock = TrainingClock(TrainingPlan(epochs=3, recipe=Recipe(batch_size=8)), 10, Ticks())
    assert clock.steps == 4  # thirty images in batches of eight
    assert clock.progress(2) == pytest.approx(0.5)


def test_steps_are_steps():
    assert TrainingClock(TrainingPlan(steps=10), 100, Ticks()).progress(10) == 1


class Device:
    """Works off what it is given: a step takes the host 1 s to launch and the device 3 s."""

    def __init__(self) -> None:
        self.now = self.busy_until = 0.0

    def launch(self) -> None:
        self.now += 1
        self.busy_until = max(self.busy_until, self.now) + 3

    def wait(self) -> None:
        self.now = max(self.now, self.busy_until)

    def clock(self) -> TrainingClock:
        return TrainingClock(TrainingPlan(minutes=1), 100, lambda: self.now, wait=self.wait)


def test_a_step_is_launched_while_the_device_works_on_those_before():
    device = Device()
    clock = device.clock()
    for _ in range(10):
        with clock.running():
            device.launch()
    assert clock.used == 10, "nothing was waited for"
    clock.settle()
    assert clock.used == device.now == 31, "ten times three seconds and the first launch"


def test_what_the_device_has_still_to_do_is_not_left_to_the_validation():
    device = Device()
    clock = device.clock()
    with clock.running():
        device.launch()
    clock.settle()
    before = device.now
    device.wait()
    assert device.now == before


def test_only_cuda_is_waited_for():
    assert wait_of(torch.device("cpu")) is None
    assert tick_of("cpu") is time.process_time and tick_of("cuda") is time.perf_counter
    found = wait_of(torch.device("cuda:1"))
    assert isinstance(found, partial) and found.func is torch.cuda.synchronize
