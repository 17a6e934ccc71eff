"""The share of time the GPU is busy, with a profiler that tells events as torch's does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segbench.meters import gpu_busy
from segbench.meters.gpu_busy import measure_busy, union_length

CUDA = torch.device("cuda:0")


class FakeProfiler:
    """Tells for every call a launch on the host, two kernels that overlap, a copy, and an annotation around them."""

    def __init__(self, activities: list[object]) -> None:
        self.calls = 0

    def __enter__(self) -> FakeProfiler:
        FakeProfiler.latest = self  # type: ignore[attr-defined]
        return self

    def __exit__(self, *_: object) -> None: ...

    def events(self) -> list[Any]:
        return [event for number in range(self.calls) for event in self._of_call(1000.0 * number)]

    def _of_call(self, start: float) -> list[Any]:
        return [
            self._event("CPU", start, start + 900),
            self._event("CUDA", start + 100, start + 300),
            self._event("CUDA", start + 200, start + 400),
            self._event("CUDA", start + 500, start + 600),
            self._event("CUDA", start + 100, start + 900, annotation=True),
        ]

    @staticmethod
    def _event(device: str, start: float, end: float, annotation: bool = False) -> Any:
        kind = SimpleNamespace(name=device)
        return SimpleNamespace(
            device_type=kind, is_user_annotation=annotation, time_range=SimpleNamespace(start=start, end=end)
        )


@pytest.fixture
def profiled(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(gpu_busy, "profile", FakeProfiler)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    return monkeypatch


def called() -> None:
    FakeProfiler.latest.calls += 1  # type: ignore[attr-defined]


def test_kernels_and_copies_count_once_and_hosts_and_annotations_do_not(profiled: pytest.MonkeyPatch) -> None:
    """300 us of kernels and 100 of copying in a call of 2 ms."""
    found = measure_busy(called, 0.002, CUDA)
    assert found.fraction == pytest.approx(0.2)
    assert FakeProfiler.latest.calls == 50  # type: ignore[attr-defined]


def test_slow_calls_are_watched_a_few_times(profiled: pytest.MonkeyPatch) -> None:
    measure_busy(called, 2.0, CUDA)
    assert FakeProfiler.latest.calls == 3  # type: ignore[attr-defined]


def test_a_profiler_that_sees_nothing_or_fails_gives_a_reason_instead_of_zero(profiled: pytest.MonkeyPatch) -> None:
    silent = measure_busy(lambda: None, 0.01, CUDA)
    assert silent.fraction is None and "no kernel" in str(silent.cause)

    def refuse(activities: list[object]) -> Any:
        raise RuntimeError("CUPTI_ERROR_INSUFFICIENT_PRIVILEGES\nmore")

    profiled.setattr(gpu_busy, "profile", refuse)
    failed = measure_busy(called, 0.01, CUDA)
    assert failed.fraction is None and str(failed.cause).endswith("PRIVILEGES")


def test_on_the_cpu_there_is_no_share() -> None:
    assert "no GPU" in str(measure_busy(lambda: None, 1.0, torch.device("cpu")).cause)


def test_the_real_profilers_events_have_what_is_read() -> None:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as watched:
        torch.ones(3).add(1)
    event = watched.events()[0]
    assert event.device_type.name == "CPU" and event.is_user_annotation is False
    assert event.time_range.end >= event.time_range.start


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda pair: (pair[0], pair[0] + pair[1])))


@given(SPANS)
def test_what_intervals_cover_is_counted_once(spans: list[tuple[int, int]]) -> None:
    covered = {moment for start, end in spans for moment in range(start, end)}
    assert union_length(spans) == len(covered)
