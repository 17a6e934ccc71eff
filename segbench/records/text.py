"""Text from outside, such as a file's name, made fit for records, sentences and screens."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_Json = Any
"""As `Json` in `segbench.records.case`, which is above."""

LONGEST = 400
"""Characters of a name or path that are kept; records stay readable and lines stay lines."""

_BYTE = range(0xDC80, 0xDD00)
"""How Python holds a byte of a file's name that is not UTF-8 (PEP 383): 0xDC00 plus the byte."""
_ESCAPED_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
"""Control characters, lone surrogates, and the separators that some programs take for the end of a line."""
_HALF = re.compile("[\ud800-\udfff]")
"""A surrogate without its other half: Python holds whole pairs as one character."""
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of what follows: a name with one reads as another on a screen."""


def printable(text: str, longest: int | None = LONGEST) -> str:
    r"""The text as it may be written anywhere: encodable as UTF-8, one line, of bounded length.

    A byte that is not UTF-8 becomes `\xe9`, a newline `\x0a`. A longer text loses its middle, in whose place the
    beginning of its hash stands, so that different names stay different.

    >>> printable("caf\udce9\n.png")
    'caf\\xe9\\x0a.png'

    Args:
        longest: characters kept; None for all.
    """
    escaped = "".join(map(_escaped, text))
    if longest is None or len(escaped) <= longest:
        return escaped
    digest = hashlib.sha256(escaped.encode()).hexdigest()[:8]
    half = max(1, (longest - len(digest) - 4) // 2)
    return f"{escaped[:half]}..{digest}..{escaped[-half:]}"


def encodable(value: _Json) -> _Json:
    r"""The JSON value with every lone surrogate escaped, at any depth, so that it can be written as UTF-8.

    >>> encodable({"cause": ["caf\udce9.png"]})
    {'cause': ['caf\\xe9.png']}
    """
    if isinstance(value, str):
        return value if value.isascii() else _HALF.sub(lambda match: _escaped(match[0]), value)
    if isinstance(value, Mapping):
        return {encodable(name): encodable(item) for name, item in value.items()}
    return [encodable(item) for item in value] if isinstance(value, (list, tuple)) else value


def _escaped(letter: str) -> str:
    code = ord(letter)
    if code in _BYTE:
        return f"\\x{code - 0xDC00:02x}"
    if unicodedata.category(letter) in _ESCAPED_CATEGORIES or _DIRECTIONS.match(letter):
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return letter
