"""A trace whose workspaces are chosen afterwards is the trace with these workspaces."""

from __future__ import annotations

from functools import partial

import pytest
from torch import nn

from segbench.estimate.convolution_workspaces import expected
from segbench.estimate.log import StorageLog
from segbench.estimate.overheads import Overheads
from segbench.estimate.recorded import Recorded, WorkspaceRecording
from segbench.estimate.step import trace_step
from tests.estimate.test_step import CLASSES, Work


class Wide(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 128, 1), nn.Conv2d(128, 128, 3, 1, 1), nn.ReLU(), nn.Conv2d(128, CLASSES, 3, 1, 1)
        )


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    recording = WorkspaceRecording()
    log = trace_step(lambda: Work(Wide(), "meta"), "train", 2, overheads=recording).log
    return Recorded(log, tuple(recording.seen))


def bytes_alive(log: StorageLog) -> list[int]:
    """After every event, workspaces included; storages that are gone leave no trace in it."""
    return log.live_bytes(lambda _: True)


def test_workspaces_chosen_afterwards_are_those_of_a_trace_with_them(recorded: Recorded) -> None:
    trace = partial(trace_step, lambda: Work(Wide(), "meta"), "train", 2)
    asked = trace(overheads=Overheads(convolutions="expected")).log
    assert bytes_alive(recorded.with_workspaces(expected)) == bytes_alive(asked) != bytes_alive(trace().log)


def test_without_workspaces_it_is_the_plain_trace(recorded: Recorded) -> None:
    plain = trace_step(lambda: Work(Wide(), "meta"), "train", 2).log
    assert bytes_alive(recorded.with_workspaces(lambda _: 0)) == bytes_alive(plain)


def test_a_file_gives_back_the_same_memory(recorded: Recorded) -> None:
    read = Recorded.from_bytes(recorded.to_bytes())
    assert read.log.same_memory(recorded.log)
    assert read.convolutions == recorded.convolutions
    assert read.with_workspaces(expected).same_memory(recorded.with_workspaces(expected))
