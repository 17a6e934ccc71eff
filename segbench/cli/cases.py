"""Turns what a user typed into cases."""

from __future__ import annotations

import json
from collections.abc import Sequence

from segbench.errors import UserError
from segbench.records.case import Json


def parse_arguments(pairs: Sequence[str] | None) -> tuple[tuple[str, Json], ...]:
    """`["steps=8", "norm=batch"]` to sorted (name, value) pairs; values are JSON where they can be, else text.

    Raises:
        UserError: a pair without an equals sign.
    """
    found: dict[str, Json] = {}
    for pair in pairs or ():
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise UserError(f"{pair!r} is not of the form name=value; write for example -a steps=8")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return tuple(sorted(found.items()))
