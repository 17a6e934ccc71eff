"""Advice: none for quiet samples, one kind for each thing that is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from segbench.statistics.stability import Circumstances, advise


def quiet(rounds: int = 5, samples: int = 12) -> np.ndarray:
    return 1 + 0.01 * np.random.default_rng(0).standard_normal((rounds, samples))


def kinds(rounds: object) -> list[str]:
    return [advice.kind for advice in advise(rounds)]  # type: ignore[arg-type]


def test_a_quiet_set_gets_no_advice() -> None:
    assert kinds(quiet()) == []
    assert kinds([[1.0] * 10] * 3) == []
    assert kinds([]) == []


def test_too_few_samples_are_told() -> None:
    assert kinds([[1.0, 1.0], [1.0]]) == ["few_samples"]


def test_a_single_process_is_told() -> None:
    assert kinds(quiet(1)) == ["one_round"]


def test_a_wide_spread_within_rounds_is_told() -> None:
    wide = 1 + 0.3 * np.random.default_rng(0).random((5, 12))
    (advice,) = advise(wide)
    assert advice.kind == "spread"
    assert "close other programs" in str(advice)


def test_a_single_outlier_is_told_and_a_tiny_one_on_a_silent_machine_is_not() -> None:
    samples = quiet()
    samples[2, 5] = 3.0
    assert kinds(samples) == ["outliers"]
    silent = np.ones((5, 12))
    silent[2, 5] = 1.001
    assert kinds(silent) == []


def test_a_first_run_that_is_slow_in_most_rounds_is_a_short_warm_up_and_no_outlier() -> None:
    samples = quiet()
    samples[:, 0] = 1.6
    (advice,) = advise(samples)
    assert advice.kind == "slow_first_run"
    assert "60 % longer: raise --warmup" in str(advice)


def test_rounds_that_slow_down_one_after_the_other_are_drift() -> None:
    (advice,) = advise(quiet(6) * np.linspace(1, 1.3, 6)[:, None])
    assert advice.kind == "drift"
    assert "slower" in advice.seen


def test_rounds_that_differ_in_no_order_are_told_as_such() -> None:
    assert kinds(quiet() * np.array([1.0, 1.3, 1.0, 1.3, 1.0])[:, None]) == ["rounds_differ"]


@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_few_rounds_cannot_show_drift(rounds: int) -> None:
    assert "drift" not in kinds(quiet(rounds) * np.linspace(1, 1.5, rounds)[:, None])


def test_what_the_machine_did_meanwhile_is_told() -> None:
    seen = Circumstances(
        unsteady=4, others_cores=(0.9, 1.1, 0.0, 1.0, 1.0), throttled=7, throttled_by=("software power cap",)
    )
    steady, busy, throttled = advise(quiet(), seen)
    assert (steady.kind, busy.kind, throttled.kind) == ("not_steady", "busy", "throttled")
    assert "4 of 5 warm-ups" in steady.seen
    assert "1.0 cores" in busy.seen
    assert "7 of 60 samples (software power cap)" in throttled.seen
    assert advise(quiet(), Circumstances(unsteady=1, others_cores=(0.1,))) == ()
