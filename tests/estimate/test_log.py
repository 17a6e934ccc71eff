from __future__ import annotations

from segbench.estimate.log import Mark, Storage, StorageLog
from segbench.estimate.timeline import timeline


def storage(size: int, role: str = "temporaries", module: str = "") -> Storage:
    return Storage(size, role, "aten.relu", module, (2, 3), "float32")


# Weights of 100; step 1 makes 50 and drops it; step 2 makes 30 and 20, drops 30, makes 15.
LOG = StorageLog(
    storages=(
        storage(100, "parameters", "a.conv"),
        storage(50),
        storage(30, "activations", "a.relu"),
        storage(20, "activations", "b"),
        storage(15, "workspaces"),
    ),
    events=(1, 2, -2, 3, 4, -3, 5),
    marks=(Mark(0, 0, "build"), Mark(1, 1, "forward"), Mark(3, 2, "forward"), Mark(5, 2, "backward")),
)


def test_live_bytes_are_the_running_sum_without_workspaces() -> None:
    assert LOG.live_bytes() == [100, 150, 100, 130, 150, 120, 120]


def test_the_peak_is_the_first_maximum_of_the_measured_steps() -> None:
    assert LOG.measured_from == 3
    assert LOG.peak == (4, 150)
    assert LOG.mark_at(4).phase == "forward"
    assert LOG.mark_at(6).phase == "backward"


def test_the_breakdown_at_the_peak_adds_up() -> None:
    found = LOG.breakdown()
    assert {role: size for role, size in found.items() if size} == {"parameters": 100, "activations": 50}
    assert sum(found.values()) == LOG.peak[1]


def test_modules_and_the_largest_storages_are_named() -> None:
    assert LOG.by_module() == {"a": 130, "b": 20}
    assert LOG.by_module(depth=2) == {"a.conv": 100, "a.relu": 30, "b": 20}
    assert [item.bytes for item in LOG.largest(2)] == [100, 30]
    assert LOG.largest(1)[0].label == "2x3 float32"


def test_a_role_can_be_left_out_without_shifting_the_phases() -> None:
    rest = LOG.without("activations")
    assert rest.events == (1, 2, -2, 5)
    assert rest.mark_at(3).phase == "backward"
    assert LOG.without("gradients") is LOG


def test_an_empty_log_has_no_peak() -> None:
    assert StorageLog((), ()).peak == (0, 0)


def test_a_timeline_is_thinned_but_keeps_the_peak_and_the_phases() -> None:
    drawn = timeline(LOG, moments=2)
    assert drawn.bytes["parameters"] == (100, 100)
    assert drawn.bytes["activations"] == (50, 20)
    assert drawn.phases == ((0.0, "forward"), (0.5, "backward"))
    assert drawn.moments == (0.25, 0.75)
