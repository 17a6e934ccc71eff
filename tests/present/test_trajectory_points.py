from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from segbench.present.trajectory_points import (
    RULE,
    STEPS,
    TIME,
    Point,
    half,
    is_oracle,
    labels_of,
    pareto_optimal,
    whole,
)
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement


def point(cost: float, score: float, knob: str = TIME, t_end: float | str = 1.0, changed: float = 0.5) -> Point:
    rows = {
        "nfe_forward": Measurement("nfe_forward", cost, "counted"),
        "miou": Measurement("miou", score, "measured:host"),
        "pixels_changed": Measurement("pixels_changed", changed, "measured:host"),
    }
    return Point(knob, t_end, 4, rows)


def test_labels_say_what_was_done() -> None:
    assert point(1, 0, TIME, 0.25).label == "t = 0.25"
    assert [Point(STEPS, 1.0, steps, {}).label for steps in (1, 2)] == ["1 step", "2 steps"]
    assert point(1, 0, RULE, "change<0.05").label == "change<0.05"


def test_the_whole_solve_is_the_one_nothing_differs_from() -> None:
    points = [point(2, 0.5, t_end=0.5), point(4, 0.6, t_end=1.0, changed=0.0), point(6, 0.6, t_end=1.5)]
    assert whole(points) is points[1]
    assert half(points) is points[0]
    assert half(points[1:]) is None
    adaptive = [point(0, 0.2, t_end=0.0), point(14, 0.4, t_end=0.25), point(26, 0.6, changed=0.0)]
    assert half(adaptive) is adaptive[1], "the nearest, and never the state before the first evaluation"


def test_equal_points_are_both_on_the_front_and_oracles_take_no_part() -> None:
    first, twin = point(1, 0.5), point(1, 0.5)
    oracle = point(0, 0.9, RULE, "oracle<0.005")
    assert is_oracle(oracle) and not is_oracle(first)
    assert pareto_optimal([first, twin, oracle], "nfe_forward") == [first, twin]
    assert pareto_optimal([first], "macs") == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_on_the_front_more_cost_is_always_more_worth_and_nothing_outside_beats_it(
    pairs: list[tuple[int, int]],
) -> None:
    points = [point(cost, score) for cost, score in pairs]
    best = [(item.value("nfe_forward") or 0, item.value("miou") or 0) for item in pareto_optimal(points, "nfe_forward")]
    assert best
    for (cost, score), (later, better) in pairwise(best):
        assert (cost, score) == (later, better) or (cost < later and score < better)
    for cost, score in pairs:
        assert any(c <= cost and s >= score for c, s in best)


def test_trajectories_of_one_name_are_called_by_size_and_images_too(make_entry: Callable[..., Entry]) -> None:
    def along(width: int, images: int, dataset: str = "synthetic") -> Entry:
        case = Case("trajectory", "segnode-w8", width=width, height=90, dataset=dataset, split="val")
        row = Measurement("miou", 0.5, "measured:host", factors={"t_end": 1.0, "steps": 4}, detail={"images": images})
        return make_entry("segnode-w8", row, case=case)

    assert labels_of([along(120, 4), along(240, 8), along(120, 4, "camvid")]) == [
        "segnode-w8, synthetic val, 120x90, 4 images",
        "segnode-w8, synthetic val, 240x90, 8 images",
        "segnode-w8, camvid val",
    ]
