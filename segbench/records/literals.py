"""A value as a user types it behind an equals sign."""

from __future__ import annotations

import json
import math
import tomllib

from segbench.errors import UserError
from segbench.records.case import Json
from segbench.records.text import encodable, printable


def literal(text: str) -> Json:
    """`8`, `0.5`, `true`, `null`, `[1, 2]`, `"text"` as JSON or TOML have them; any other word is text.

    Raises:
        UserError: a number that is not finite, or text that is not UTF-8.
    """
    if encodable(text) != text:
        raise UserError(f"{printable(text)!r} is not UTF-8 text; give another value")
    value = _parsed(text)
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{text!r} is not a finite number; give another value")
    return value


def _parsed(text: str) -> Json:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except ValueError:  # also of thousands of digits
        return text


def name_and_value(text: str, example: str) -> tuple[str, Json]:
    """`"steps=8"` as `("steps", 8)`.

    Raises:
        UserError: not of the form name=value; the sentence shows the example.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise UserError(f"{text!r} is not of the form name=value; write for example {example}")
    return name.strip(), literal(value.strip())
