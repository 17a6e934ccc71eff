from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.records.text import LONGEST, printable


def test_plain_names_of_any_language_stay_as_they_are() -> None:
    for name in ("val 001.png", "straße/猫.png", "a\\b", "😀"):
        assert printable(name) == name


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("caf\udce9.png", "caf\\xe9.png"),
        ("a\nb\tc\x1b[2J", "a\\x0ab\\x09c\\x1b[2J"),
        ("lone\ud800", "lone\\ud800"),
        ("gnp\u202e.exe", "gnp\\u202e.exe"),
        ("two\u2028lines", "two\\u2028lines"),
    ],
)
def test_what_a_record_cannot_hold_is_escaped(name: str, written: str) -> None:
    assert printable(name) == written


def test_a_long_name_keeps_both_ends_and_stays_different_from_others() -> None:
    first, second = ("/data/" + "x" * 5000 + middle + "y" * 5000 + "/end.png" for middle in "ab")
    shown = printable(first)
    assert len(shown) <= LONGEST
    assert shown.startswith("/data/xxx")
    assert shown.endswith("yyy/end.png")
    assert shown != printable(second)
    assert printable(first, longest=None) == first


@given(st.text(st.characters()))
def test_whatever_the_name_is_the_record_is_one_line_of_utf8(name: str) -> None:
    shown = printable(name)
    shown.encode("utf-8")
    assert shown.splitlines() == ([shown] if shown else [])
    assert json.loads(json.dumps(shown)) == shown


@given(st.binary(max_size=40))
def test_whatever_bytes_a_file_is_called_by_can_be_written(name: bytes) -> None:
    printable(name.decode("utf-8", "surrogateescape")).encode("utf-8")
