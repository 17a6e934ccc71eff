from __future__ import annotations

import pytest

from segbench.present import amounts


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (amounts.in_bytes(2.5 * 2**30), "2.50 GiB"),
        (amounts.in_bytes(214 * 2**20), "214 MiB"),
        (amounts.in_bytes(512), "512 B"),
        (amounts.in_bytes(None), "-"),
        (amounts.in_seconds(0.0456), "45.6 ms"),
        (amounts.in_seconds(12.34), "12.3 s"),
        (amounts.in_seconds(5e-7), "500 ns"),
        (amounts.in_count(20_948_124), "20,948,124"),
        (amounts.in_large_count(62.26e9), "62.3 G"),
        (amounts.in_percent(0.5731), "57.3 %"),
        (amounts.in_points(0.013), "+1.3"),
        (amounts.in_points(-0.0001), "0.0"),
        (amounts.half_width_percent(1.0, 0.9, 1.2), "±15 %"),
        (amounts.as_published(31.1, "GB"), "31.1 GB"),
        (amounts.as_published(24, "count"), "24"),
        (amounts.as_published(117, "millisecond"), "117 ms"),
        (amounts.by_unit(3, "count"), "3"),
    ],
)
def test_amounts_are_shown_with_their_unit(shown: str, expected: str) -> None:
    assert shown == expected
