from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from segbench.present.trajectory import half_sentence, trajectory_tables
from segbench.present.trajectory_points import points_of
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement

CURVE = {0: (0.30, 5), 1: (0.50, 10), 2: (0.598, 15), 3: (0.605, 20), 4: (0.60, 25)}
"""Steps -> (mIoU, milliseconds)."""


def rows(adaptive: bool = False) -> Iterator[Measurement]:
    for step, (miou, ms) in CURVE.items():
        factors = {"t_end": step / 4, "steps": None if adaptive else step}
        drop = CURVE[4][0] - miou
        yield Measurement(
            "miou",
            miou,
            "measured:host",
            factors=factors,
            detail={"knob": "time"},
            spread_low=miou - 0.02,
            spread_high=miou + 0.02,
        )
        yield Measurement(
            "miou_drop", drop, "measured:host", factors=factors, spread_low=drop - 0.003, spread_high=drop + 0.004
        )
        yield Measurement("pixels_changed", 0.1 * (4 - step), "measured:host", factors=factors)
        yield Measurement("nfe_forward", 6 * step if adaptive else step, "counted", factors=factors)
        yield Measurement("macs", 1e9 * (1 + step), "counted", factors=factors)
        yield Measurement("latency_s", ms / 1000, "measured:host", factors=factors)
        if adaptive:
            yield Measurement("solver_accepted_steps", step, "counted", factors=factors)
            yield Measurement("solver_rejected_steps", 1, "counted", factors=factors)


def rule(name: str, gains: bool) -> Iterator[Measurement]:
    factors = {"t_end": name, "steps": 4}
    spread = {"p50": 2.0, "p95": 3.0, "worst": 4.0, "saved": 0.4}
    against = {control: {"value": 0.01, "low": 0.002, "high": 0.03} for control in ("shorter", "coarser", "permuted")}
    detail = {"rule": name, "against": against, "gains": gains}
    yield Measurement("miou", 0.7, "measured:host", factors=factors, detail=detail)
    for quantity in ("nfe_forward", "macs", "latency_s"):
        yield Measurement(quantity, 2.3, "counted", factors=factors, detail=spread)


def entry(make_entry: Callable[..., Entry], *more: Measurement, adaptive: bool = False) -> Entry:
    case = Case("trajectory", "segnode", dataset="synthetic")
    return make_entry("segnode", *rows(adaptive), *more, case=case)


def test_each_end_is_a_row_and_dominated_ones_are_not_worth_having(make_entry: Callable[..., Entry]) -> None:
    (sheet,) = trajectory_tables([entry(make_entry)])
    assert [row[0] for row in sheet.lines()] == ["t = 0", "t = 0.25", "t = 0.5", "t = 0.75", "t = 1"]
    assert [row[-1] for row in sheet.lines()] == ["NFE ms", "NFE ms", "NFE ms", "NFE ms", ""]
    half = sheet.lines()[2]
    assert half[1:9] == ["2", "3.00 G", "15.0 ms", "-", "59.8 %", "±2.0", "+0.2", "-0.1 to +0.6"]


def test_half_of_the_evaluations_is_set_beside_the_papers_statement(make_entry: Callable[..., Entry]) -> None:
    sentence = half_sentence(points_of(entry(make_entry)))
    assert sentence is not None
    for part in ("2 of 4 evaluations", "60% of the time", "mIoU drop +0.2 points (-0.1 to +0.6)", "3 % of accuracy"):
        assert part in sentence


def test_adaptive_solvers_show_accepted_and_rejected_steps(make_entry: Callable[..., Entry]) -> None:
    (sheet,) = trajectory_tables([entry(make_entry, adaptive=True)])
    assert sheet.lines()[-1][1] == "24 (4+1)"
    assert any("rejected" in note for note in sheet.notes)


def test_rules_show_what_they_save_and_a_gain_only_if_confirmed(make_entry: Callable[..., Entry]) -> None:
    more = (*rule("change<0.05", True), *rule("state<0.1", False), *rule("oracle<0.005", True))
    ends, savings, controls = trajectory_tables([entry(make_entry, *more)])
    assert len(ends.lines()) == 5
    assert savings.lines()[0][:7] == ["change<0.05", "70.0 %", "2.30", "2", "3", "4", "40.0 %"]
    assert [row[-1] for row in controls.lines()] == ["yes", "not shown", "a bound"]
    assert controls.lines()[0][1] == "+1.0 (+0.2 to +3.0)"


def test_an_oracle_never_makes_a_real_end_look_dominated(make_entry: Callable[..., Entry]) -> None:
    (plain,), (ends, *_) = (
        trajectory_tables([entry(make_entry)]),
        trajectory_tables([entry(make_entry, *rule("oracle<0.005", True))]),
    )
    assert ends.lines() == plain.lines()


def test_a_cell_that_failed_says_why(make_entry: Callable[..., Entry]) -> None:
    broken = replace(make_entry("segnode"), outcome="failed", cause="the state is not finite at t = 0.5")
    (sheet,) = trajectory_tables([broken])
    assert sheet.lines()[0][0] == "failed: the state is not finite at t = 0.5"
