"""`--fail-if`: what is accepted, what is refused with advice, and what breaks a gate."""

from __future__ import annotations

import pytest

from segbench.errors import UserError
from segbench.statistics.gates import parse_comparison_gate, parse_gate


def row(value: float | None, quantity: str = "latency_s", unit: str = "second", cause: str | None = None):
    return {"model": "unet", "quantity": quantity, "value": value, "unit": unit, "cause": cause}


@pytest.mark.parametrize(
    ("text", "quantity", "sign", "limit"),
    [
        ("train_peak_live_bytes > 24GiB", "train_peak_live_bytes", ">", 24 * 2**30),
        ("infer_peak_process_bytes>=1.5GB", "infer_peak_process_bytes", ">=", 1.5e9),
        ("latency_s > 5ms", "latency_s", ">", 0.005),
        ("epoch_s > 2min", "epoch_s", ">", 120),
        ("latency_s > 1e-2", "latency_s", ">", 0.01),
        ("miou < 60%", "miou", "<", 0.6),
        ("miou < 0.6", "miou", "<", 0.6),
        ("macs > 62G", "macs", ">", 62e9),
        ("energy_per_image_j > 500mJ", "energy_per_image_j", ">", 0.5),
        ("throughput_images_per_s <= 30/s", "throughput_images_per_s", "<=", 30),
    ],
)
def test_a_gate_means_what_it_says(text: str, quantity: str, sign: str, limit: float) -> None:
    gate = parse_gate(text)
    assert (gate.quantity, gate.sign, gate.relative) == (quantity, sign, False)
    assert gate.limit == pytest.approx(limit)


@pytest.mark.parametrize(("text", "ratio"), [("latency_s > +5%", 1.05), ("miou < -1.5 %", 0.985)])
def test_a_signed_percentage_is_a_change(text: str, ratio: float) -> None:
    gate = parse_comparison_gate(text)
    assert gate.relative
    assert gate.limit == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("latency > 5ms", "did you mean latency_s"),
        ("latency_s is large", "write for example"),
        ("latency_s > 5MB", "units: 's', 'ms'"),
        ("latency_s > 5%", "write a sign, as in \\+5%"),
        ("train_peak_live_bytes > 5ms", "write it like 32GB"),
        ("latency_s > > 5", "write for example"),
        ("latency_s > +5%", "only `segbench compare` can judge it"),
    ],
)
def test_nonsense_is_refused_with_what_is_possible(text: str, advice: str) -> None:
    with pytest.raises(UserError, match=advice):
        parse_gate(text)


def test_only_rows_of_the_quantity_that_break_the_limit_are_named() -> None:
    rows = [row(0.004), row(0.006), row(9.0, "epoch_s")]
    assert parse_gate("latency_s > 5ms").violations(rows) == ["latency_s > 5ms: unet has 0.006 second"]


def test_a_gate_that_nothing_can_judge_is_broken() -> None:
    gate = parse_gate("latency_s > 5ms")
    assert "no row tells latency_s" in gate.violations([])[0]
    assert "does not fit" in gate.violations([row(None, cause="does not fit")])[0]
