"""What others did with the machine meanwhile."""

from __future__ import annotations

from segbench.meters.contention import ContentionMeter, CpuSeconds


def test_the_machines_work_less_our_own_is_that_of_others() -> None:
    readings = iter([CpuSeconds(100, 10), CpuSeconds(106, 12)])
    meter = ContentionMeter(readings.__next__, iter([0.0, 2.0]).__next__)
    assert meter.others_cores() == 2.0


def test_counters_of_different_grain_never_give_less_than_nothing() -> None:
    readings = iter([CpuSeconds(100, 10), CpuSeconds(101.9, 12)])
    assert ContentionMeter(readings.__next__, iter([0.0, 2.0]).__next__).others_cores() == 0.0


def test_the_real_machine_can_be_asked() -> None:
    assert ContentionMeter().others_cores() >= 0
