"""What others did with the machine meanwhile."""

from __future__ import annotations

import subprocess
import sys

from segbench.meters.contention import ContentionMeter, CpuSeconds, _cpu_seconds


def test_the_machines_work_less_our_own_is_that_of_others() -> None:
    readings = iter([CpuSeconds(100, 10), CpuSeconds(106, 12)])
    meter = ContentionMeter(readings.__next__, iter([0.0, 2.0]).__next__)
    assert meter.others_cores() == 2.0


def test_counters_of_different_grain_never_give_less_than_nothing() -> None:
    readings = iter([CpuSeconds(100, 10), CpuSeconds(101.9, 12)])
    assert ContentionMeter(readings.__next__, iter([0.0, 2.0]).__next__).others_cores() == 0.0


def test_the_real_machine_can_be_asked() -> None:
    assert ContentionMeter().others_cores() >= 0


def test_what_a_child_used_stays_ours_when_it_has_ended() -> None:
    before = _cpu_seconds().own
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", busy], check=True)
    assert _cpu_seconds().own - before >= 0.25
