"""Two sides: a difference that is there is found, one that is not is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segbench.records.measurement import Measurement
from segbench.statistics.comparison import ComparedValue, compared_value, contrast, split_rounds


def side(name: str, rounds: np.ndarray, session: str | None = None, quantity: str = "latency_s") -> ComparedValue:
    kept = tuple(tuple(float(x) for x in samples) for samples in rounds)
    return ComparedValue(name, quantity, float(np.median(rounds)), "measured:host", kept, session)


def drifting_machine(rng: np.random.Generator, rounds: int) -> np.ndarray:
    """Log speed of a shared machine round by round: AR(1) with 0.8 and 4 % spread."""
    speed = [0.04 * rng.standard_normal()]
    for _ in range(rounds - 1):
        speed.append(0.8 * speed[-1] + 0.024 * rng.standard_normal())
    return np.array(speed)


def samples(rng: np.random.Generator, speed: np.ndarray, count: int = 10) -> np.ndarray:
    return np.exp(speed[:, None] + 0.01 * rng.standard_normal((speed.size, count)))


@pytest.mark.parametrize("interleaved", [True, False])
def test_the_same_case_twice_on_a_drifting_machine_is_not_significant_in_nine_of_ten_tries(interleaved: bool) -> None:
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(60):
        speed = drifting_machine(rng, 10)
        first, second = (speed[:5], speed[:5]) if interleaved else (speed[:5], speed[5:])
        session = "s" if interleaved else None
        found = contrast(side("a", samples(rng, first), session), side("b", samples(rng, second), session))
        wrong += found.verdict in ("less", "more")
    assert wrong <= 6


def test_interleaving_shows_a_difference_that_drift_would_hide() -> None:
    rng = np.random.default_rng(5)
    speed = drifting_machine(rng, 6)
    a, b = samples(rng, speed), 1.05 * samples(rng, speed)
    paired = contrast(side("a", a, "s"), side("b", b, "s"))
    apart = contrast(side("a", a), side("b", b))
    assert paired.verdict == "more"
    assert apart.verdict == "not significant"
    assert "interleaved" in paired.sentence and "one after the other" in apart.sentence


def test_a_large_difference_is_found_and_judged_by_what_is_better() -> None:
    rng = np.random.default_rng(1)
    speed = 0.005 * rng.standard_normal(5)
    slow = contrast(side("a", samples(rng, speed)), side("b", 2 * samples(rng, speed)))
    assert slow.verdict == "more" and slow.sentence.endswith("% more, worse")
    assert slow.ratio == pytest.approx(2, rel=0.02)
    assert slow.low is not None and slow.high is not None and slow.low < 2 < slow.high
    fast = contrast(
        side("a", samples(rng, speed), quantity="throughput_images_per_s"),
        side("b", 2 * samples(rng, speed), quantity="throughput_images_per_s"),
    )
    assert fast.sentence.endswith("% more, better")


def test_swapping_the_sides_inverts_the_ratio() -> None:
    rng = np.random.default_rng(2)
    a, b = side("a", samples(rng, np.zeros(4))), side("b", 1.3 * samples(rng, np.zeros(4)))
    there, back = contrast(a, b), contrast(b, a)
    assert there.ratio is not None and back.ratio is not None
    assert there.ratio * back.ratio == pytest.approx(1)
    assert there.low is not None and back.high is not None
    assert there.low * back.high == pytest.approx(1)


def test_a_change_below_the_smallest_effect_is_the_same_however_sure() -> None:
    quiet = np.ones((5, 10)) * np.array([1, 1.0001, 0.9999, 1, 1])[:, None]
    assert contrast(side("a", quiet), side("b", 1.002 * quiet)).verdict == "same"


def test_counted_values_are_compared_exactly() -> None:
    a = ComparedValue("a", "macs", 62.26e9, "counted")
    b = replace(a, name="b", value=35.2e9)
    found = contrast(a, b)
    assert (found.verdict, found.low) == ("less", found.ratio)
    assert "exact" in found.sentence and found.sentence.endswith("43.5 % less, better")
    assert contrast(a, replace(a, name="c")).verdict == "same"


def test_a_percentiles_ratio_is_that_of_the_values_shown() -> None:
    a = ComparedValue("a", "latency_p99_s", 0.010, "measured:host", ((0.010,),) * 5, "s")
    b = ComparedValue("b", "latency_p99_s", 0.080, "measured:host", ((0.011,),) * 4 + ((0.080,),), "s")
    assert contrast(a, b).ratio == pytest.approx(8)


def test_a_value_read_once_is_shown_with_its_warning() -> None:
    a = ComparedValue("a", "train_peak_process_bytes", 2e9, "measured:host")
    found = contrast(a, replace(a, name="b", value=1e9))
    assert (found.verdict, found.low) == ("single", None)
    assert "noise is not known" in found.sentence


def test_nothing_has_no_ratio() -> None:
    a = ComparedValue("a", "solver_rejected_steps", 0, "counted")
    assert contrast(a, replace(a, value=3.0)).ratio is None


def test_different_quantities_are_never_compared() -> None:
    with pytest.raises(ValueError, match="different quantities"):
        contrast(ComparedValue("a", "macs", 1, "counted"), ComparedValue("b", "flops", 2, "counted"))


def test_a_measurement_keeps_its_rounds_and_its_session() -> None:
    item = Measurement(
        "latency_s", 2.0, "measured:host", samples=(1.0, 2.0, 3.0), detail={"rounds": [2, 1], "session": "ab"}
    )
    assert split_rounds(item) == ((1.0, 2.0), (3.0,))
    found = compared_value("unet", item)
    assert found is not None and found.session == "ab"
    assert compared_value("unet", Measurement("energy_per_image_j", None, "measured:nvml", cause="no card")) is None
