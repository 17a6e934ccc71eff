from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from torch.cuda import _memory_viz

from segbench.estimate.log import Mark, Storage, StorageLog
from segbench.estimate.snapshot import snapshot, write_snapshot
from segbench.units import MIB

LOG = StorageLog(
    storages=(
        Storage(4 * MIB, "parameters", "aten.empty", "stem", (1024, 1024), "float32"),
        Storage(30 * MIB, "activations", "aten.convolution", "head.conv", (30, 1024, 256), "float32"),
        Storage(100, "temporaries", "aten.sum", "", (25,), "float32"),
    ),
    events=(1, 2, 3, -2),
    marks=(Mark(0, 0, "build"), Mark(1, 1, "forward")),
)


def test_segments_hold_their_blocks_without_gaps() -> None:
    segments = snapshot(LOG)["segments"]
    assert [segment["total_size"] for segment in segments] == [20 * MIB, 30 * MIB, 2 * MIB]
    assert [segment["allocated_size"] for segment in segments] == [4 * MIB, 0, 512]
    for segment in segments:
        assert sum(block["size"] for block in segment["blocks"]) == segment["total_size"]


def test_the_trace_tells_every_action_with_its_module() -> None:
    trace = snapshot(LOG)["device_traces"][0]
    assert [entry["action"] for entry in trace] == [
        *("segment_alloc", "alloc"),
        *("segment_alloc", "alloc"),
        *("segment_alloc", "alloc"),
        *("free_requested", "free_completed"),
    ]
    assert trace[3]["frames"][1]["filename"] == "head.conv"
    assert trace[3]["frames"][0]["name"] == "activations: 30x1024x256 float32"


@pytest.mark.parametrize("view", ["segsum", "trace", "trace_plot", "segment_plot"])
def test_pytorchs_own_viewer_reads_the_file(view: str, tmp_path: Path) -> None:
    path = tmp_path / "snapshot.pickle"
    write_snapshot(LOG, path)
    with path.open("rb") as file:
        read = pickle.load(file)
    assert len(getattr(_memory_viz, view)(read)) > 100
