"""Interleaving, stopping and merging on a machine that only pretends to measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from segbench.cells.cell import Listener, Result
from segbench.cells.rounds import Rounds
from segbench.records.case import Case
from segbench.records.environment import Environment
from segbench.records.measurement import Measurement
from segbench.statistics.comparison import compared_value, contrast
from segbench.statistics.stopping import StopRule

ENVIRONMENT = Environment("cpu", "Test CPU", "2.13.0", "3.11", "Linux", "0123", threads=1)
A, B = Case("latency", "a"), Case("latency", "b")


class Machine:
    """Answers every process with what `latency` says for (model, round); each takes a second."""

    def __init__(self, latency: Callable[[str, int], Sequence[float]]) -> None:
        self.latency = latency
        self.cases: list[Case] = []
        self.fails_at: tuple[str, int] | None = None

    def run(self, case: Case, timeout_s: float, listen: Listener) -> Result:
        self.cases.append(case)
        number = sum(other.model == case.model for other in self.cases)
        listen(case, "progress", {"event": "progress", "stage": "timed", "done": 1, "total": 0})
        if (case.model, number) == self.fails_at:
            return Result(case, "crashed", "killed by SIGSEGV", ENVIRONMENT, (), 1.0)
        samples = tuple(self.latency(case.model, number))
        detail = {"steady": True, "others_cores": 0.0}
        rows = (
            Measurement("latency_s", samples[0], "measured:host", samples=samples, warmup=(9.0,), detail=detail),
            Measurement("latency_copy_in_s", None, "measured:host", cause="no copy"),
            Measurement("compile_s", 0.0, "measured:host"),
            Measurement("parameters", 7, "counted"),
        )
        return Result(case, "ok", None, ENVIRONMENT, rows, 1.0)


def quiet(model: str, number: int) -> list[float]:
    return [1.0, 1.001, 0.999] if model == "a" else [2.0, 2.001, 1.999]


def silent(*_: object) -> None: ...


def measure(
    machine: Machine, rule: StopRule, listen: Listener = silent, cases: Sequence[Case] = (A, B)
) -> list[Result]:
    return list(Rounds(tuple(cases), rule, "s1").run(machine.run, 10, listen))


def test_networks_take_turns_in_shuffled_order_until_all_are_known() -> None:
    machine = Machine(quiet)
    measure(machine, StopRule(min_rounds=6))
    rounds = [tuple(case.model for case in machine.cases[i : i + 2]) for i in range(0, 12, 2)]
    assert len(machine.cases) == 12
    assert set(rounds) == {("a", "b"), ("b", "a")}, "each round has both, in either order"


def test_all_samples_stay_and_rounds_can_be_told_apart() -> None:
    first, _ = measure(Machine(quiet), StopRule(min_rounds=5))
    latency = first.measurements[0]
    assert latency.samples == (1.0, 1.001, 0.999) * 5
    assert latency.warmup == (9.0,) * 5
    assert latency.detail["rounds"] == [3] * 5
    assert latency.value == 1.0
    assert latency.spread_low is not None and latency.spread_low <= 1.0
    assert latency.detail["reached"] and "noise target reached" in latency.detail["why"]
    assert latency.detail["advice"] == []
    assert first.case == A, "the round's options are none of the case"
    assert first.seconds == 5


def test_percentiles_are_quantities_of_their_own_where_there_are_samples_enough() -> None:
    first, _ = measure(Machine(quiet), StopRule(min_rounds=5))
    by_name = {item.quantity: item for item in first.measurements}
    assert by_name["latency_p90_s"].value == pytest.approx(1.001)
    assert by_name["latency_p90_s"].samples == pytest.approx((1.0008,) * 5), "of each round, for compare"
    assert by_name["latency_p99_s"].value is None
    assert by_name["latency_p99_s"].cause == "15 samples are too few for p99: raise --min-runs"


def test_what_is_counted_missing_or_zero_is_merged_without_an_interval() -> None:
    first, _ = measure(Machine(quiet), StopRule(min_rounds=3))
    by_name = {item.quantity: item for item in first.measurements}
    assert by_name["parameters"].value == 7 and by_name["parameters"].samples == ()
    assert by_name["latency_copy_in_s"].cause == "no copy"
    assert (by_name["compile_s"].value, by_name["compile_s"].spread_low) == (0.0, None)


def test_each_process_gets_its_share_of_the_rule() -> None:
    machine = Machine(quiet)
    measure(machine, StopRule(min_rounds=5, min_runs=12, max_runs=100, max_seconds=60))
    case = machine.cases[0]
    assert [getattr(case.options, f"round_{name}") for name in ("min_runs", "max_runs", "seconds")] == [3, 20, 6.0]


def test_a_noisy_network_goes_on_to_its_limit_and_says_so() -> None:
    machine = Machine(lambda model, number: [1.0 + 0.5 * (number % 2)] * 3)
    found = measure(machine, StopRule(min_rounds=3, max_seconds=8), cases=[A])[0]
    assert len(machine.cases) == 8
    detail = found.measurements[0].detail
    assert not detail["reached"]
    assert "--max-seconds 8" in detail["why"]
    assert any("lie 50 % apart" in advice for advice in detail["advice"])


def test_a_quiet_network_keeps_a_noisy_one_company_so_that_rounds_stay_pairs() -> None:
    machine = Machine(lambda model, number: quiet("a", 1) if model == "a" else [1.0 + 0.5 * (number % 2)] * 3)
    first, second = measure(machine, StopRule(min_rounds=3, max_seconds=7))
    assert len(first.measurements[0].detail["rounds"]) == len(second.measurements[0].detail["rounds"]) == 7


def test_rounds_of_one_session_are_compared_as_pairs() -> None:
    def drifting(model: str, number: int) -> list[float]:
        return [sample * 1.1**number for sample in quiet(model, number)]

    first, second = measure(Machine(drifting), StopRule(min_rounds=4, max_seconds=6))
    sides = [compared_value(name, result.measurements[0]) for name, result in (("a", first), ("b", second))]
    assert sides[0] is not None and sides[1] is not None
    found = contrast(sides[0], sides[1])
    assert found.verdict == "more" and found.ratio == pytest.approx(2, rel=1e-3)
    assert "interleaved" in found.sentence


def test_a_network_that_crashes_drops_out_and_the_other_is_measured_to_the_end() -> None:
    machine = Machine(quiet)
    machine.fails_at = ("a", 3)
    first, second = measure(machine, StopRule(min_rounds=5))
    assert (first.outcome, first.cause) == ("crashed", "round 3: killed by SIGSEGV")
    assert first.measurements[0].detail["rounds"] == [3, 3], "what was measured before stays"
    assert second.outcome == "ok"
    assert sum(case.model == "b" for case in machine.cases) == 5


def test_one_that_fails_at_once_has_nothing_to_merge() -> None:
    machine = Machine(quiet)
    machine.fails_at = ("a", 1)
    first, _ = measure(machine, StopRule(min_rounds=2))
    assert (first.outcome, first.measurements) == ("crashed", ())


def test_what_was_measured_before_ctrl_c_is_kept() -> None:
    def interrupted(model: str, number: int) -> list[float]:
        if number == 3:
            raise KeyboardInterrupt
        return [float(number), 9.0]

    results = Rounds((A, B), StopRule(min_rounds=5), "s1").run(Machine(interrupted).run, 10, silent)
    kept = [next(results), next(results)]
    assert [result.case.model for result in kept] == ["a", "b"]
    assert all(len(row.samples) == 4 for result in kept for row in result.measurements if row.quantity == "latency_s")
    with pytest.raises(KeyboardInterrupt):
        next(results)


def test_ctrl_c_within_the_first_round_has_nothing_to_keep() -> None:
    def at_once(model: str, number: int) -> list[float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(Machine(at_once), StopRule(min_rounds=5))


def along(model: str, number: int) -> list[Measurement]:
    """Two ends, the later one noisier from round to round."""
    late = 2.0 + 0.2 * (number % 2)
    return [
        Measurement("latency_s", seconds, "measured:host", "infer", samples=(seconds,) * 2, factors={"t_end": t_end})
        for t_end, seconds in ((0.5, 1.0), (1.0, late))
    ]


class Curve(Machine):
    """A machine whose task measures at two ends."""

    def run(self, case: Case, timeout_s: float, listen: Listener) -> Result:
        self.cases.append(case)
        return Result(case, "ok", None, ENVIRONMENT, tuple(along(case.model, len(self.cases))), 1.0)


def test_rows_that_differ_in_a_factor_are_merged_each_on_its_own() -> None:
    (found,) = measure(Curve(quiet), StopRule(min_rounds=3, max_runs=12), cases=[A])
    early, late = found.measurements
    assert [row.factors for row in (early, late)] == [{"t_end": 0.5}, {"t_end": 1.0}]
    assert early.samples == (1.0,) * 6 * 2 and early.value == 1.0
    assert set(late.samples) == {2.0, 2.2}
    assert early.spread_low == early.spread_high == pytest.approx(1.0)
    assert late.spread_low is not None and late.spread_low < 2.0


def test_the_row_known_least_decides_and_each_is_explained_by_itself() -> None:
    machine = Curve(quiet)
    (found,) = measure(machine, StopRule(min_rounds=3, max_runs=12), cases=[A])
    early, late = found.measurements
    assert len(machine.cases) == 6, "the early end was known after three rounds"
    assert early.detail["reached"] and not late.detail["reached"]
    assert "--max-runs 12" in late.detail["why"]


def test_listeners_hear_of_the_planned_case_and_the_round() -> None:
    heard: list[tuple[Case, str]] = []
    measure(
        Machine(quiet),
        StopRule(min_rounds=2, min_runs=2),
        lambda case, kind, event: heard.append((case, event["stage"])),
        [A],
    )
    assert heard == [(A, "round 1, timed"), (A, "round 2, timed")]
