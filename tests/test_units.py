from __future__ import annotations

import pytest

from segbench.errors import UserError
from segbench.units import parse_bytes, parse_size


@pytest.mark.parametrize(
    ("text", "number"),
    [("32GB", 32_000_000_000), ("32GiB", 34_359_738_368), ("1.5 kib", 1536), ("512", 512), ("10 MB", 10_000_000)],
)
def test_amounts_mean_what_they_say(text: str, number: int) -> None:
    assert parse_bytes(text) == number


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0", "3 bananas", "1e9"])
def test_what_is_no_amount_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match="32GiB"):
        parse_bytes(text)


def test_a_size_is_width_by_height() -> None:
    assert parse_size("480x360") == (480, 360)


@pytest.mark.parametrize("text", ["480", "480x", "0x360", "480x-1", "480 360", "axb"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="WIDTHxHEIGHT"):
        parse_size(text)
