"""When to stop: at the target, not before the minimum, not after the maximum."""

from __future__ import annotations

import pytest

from segbench.errors import UserError
from segbench.statistics.stopping import StopRule

QUIET = [[1.0, 1.0, 1.0]] * 5
NOISY = [[1.0, 1.1], [1.3, 1.2], [0.9, 1.5], [1.0, 1.4], [1.2, 1.1]]


def test_quiet_rounds_stop_at_the_target() -> None:
    found = StopRule(target=0.01).judge(QUIET, seconds=3)
    assert (found.stop, found.reached, found.half_width) == (True, True, 0)
    assert found.why.startswith("noise target reached")


def test_quiet_rounds_go_on_until_there_are_enough_of_them() -> None:
    assert not StopRule(min_rounds=6).judge(QUIET, seconds=3).stop
    assert not StopRule(min_runs=16).judge(QUIET, seconds=3).stop


def test_noisy_rounds_stop_at_the_time_limit_and_say_why() -> None:
    rule = StopRule(target=0.01, max_seconds=60)
    assert not rule.judge(NOISY, seconds=59).stop
    found = rule.judge(NOISY, seconds=60)
    assert (found.stop, found.reached) == (True, False)
    assert "--max-seconds 60" in found.why and "the target is ±1 %" in found.why


def test_noisy_rounds_stop_at_the_most_runs() -> None:
    found = StopRule(max_runs=10).judge(NOISY, seconds=1)
    assert (found.stop, found.reached) == (True, False)
    assert "--max-runs 10" in found.why


def test_one_round_cannot_tell_its_noise() -> None:
    found = StopRule(max_seconds=1).judge([[1.0]], seconds=2)
    assert "takes two rounds" in found.why


def test_senseless_rules_are_refused() -> None:
    for wrong in ({"target": 0}, {"target": 1.5}, {"min_runs": 5, "max_runs": 4}, {"max_seconds": 0}):
        with pytest.raises(UserError):
            StopRule(**wrong)


def test_a_target_met_by_too_few_rounds_names_what_was_asked() -> None:
    found = StopRule(min_rounds=6, min_runs=10, max_seconds=60).judge(QUIET, seconds=60)
    assert (found.stop, found.reached) == (True, False)
    assert found.why.endswith("with 6 rounds and 10 runs; there were 5 and 15")
