from __future__ import annotations

from segbench.records.measurement import Measurement
from segbench.tasks.progress import Progress


class Heard:
    """Keeps the progress it is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int]] = []

    def progress(self, stage: str, done: int, total: int, **extra: object) -> None:
        self.steps.append((stage, done, total))

    def measured(self, measurement: Measurement) -> None: ...

    def note(self, sentence: str) -> None: ...


class Clock:
    """Goes a tenth of a second further at every look."""

    def __init__(self) -> None:
        self._looks = 0

    def __call__(self) -> float:
        self._looks += 1
        return self._looks / 10


def test_the_first_step_and_the_last_are_told_and_two_a_second_between() -> None:
    heard = Heard()
    tell = Progress(heard, Clock())
    for done in range(1, 20):
        tell("image", done, 19)
    assert [done for _, done, _ in heard.steps] == [1, 6, 11, 16, 19]


def test_a_new_stage_is_told_at_once() -> None:
    heard = Heard()
    tell = Progress(heard, Clock())
    tell("reading", 1, 9)
    tell("validating", 1, 9)
    tell("validating", 2, 9)
    assert heard.steps == [("reading", 1, 9), ("validating", 1, 9)]


def test_a_stage_of_unknown_length_has_no_last_step() -> None:
    heard = Heard()
    told = Progress(heard, Clock()).of("timed")
    for done in range(1, 8):
        told(done)
    assert heard.steps == [("timed", 1, 0), ("timed", 6, 0)]
