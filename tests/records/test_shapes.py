from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from segbench.records.shapes import fits


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (3, int), (3, float), (0.5, float), (True, bool), ("a", str), (None, str | None), ((), tuple[str, ...]),
        (("a", "b"), tuple[str, ...]), ((("a", [1]),), tuple[tuple[str, Any], ...]), ({"a": 1}, Mapping[str, Any]),
    ],
)  # fmt: skip
def test_a_value_of_the_annotated_type_fits(value: object, hint: Any) -> None:
    assert fits(value, hint)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (True, int), (1, bool), (0.5, int), (math.nan, float), (math.inf, float | None), (3, str), (None, str),
        ((1,), tuple[str, ...]), ((("a",),), tuple[tuple[str, Any], ...]), ([], tuple[str, ...]),
        ([], Mapping[str, Any]),
    ],
)  # fmt: skip
def test_any_other_value_does_not(value: object, hint: Any) -> None:
    assert not fits(value, hint)
