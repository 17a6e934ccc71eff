"""Whether a record that was read has the types its class declares: JSON from outside may hold anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict

AS_RECORDED = ConfigDict(strict=True, allow_inf_nan=False)
"""How pydantic reads a record: by the rules of `fits`; names that are not known are passed over."""


def require_shape(record: object) -> None:
    """Raises:
    TypeError: a field of the dataclass is not of its declared type, or a number in it is not finite.
    """
    for name, hint in _hints(type(record)).items():  # type: ignore[arg-type]
        value = getattr(record, name)
        if not fits(value, hint):
            raise TypeError(f"{name} cannot be {_short(value)}")


def fits(value: object, hint: Any) -> bool:
    """Whether the value is of the annotated type; a bool is no number, a whole number is a float, all are finite."""
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind is Any:
        return True
    if kind in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if kind in (int, float):
        return type(value) in (int, kind) and _is_finite(value)
    if kind is tuple and isinstance(value, tuple):
        return _tuple_fits(value, parts)
    if kind is Mapping:
        return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)
    return isinstance(value, NoneType if kind is None else kind)


def _tuple_fits(value: tuple[object, ...], parts: tuple[Any, ...]) -> bool:
    if parts[-1] is Ellipsis:
        return all(fits(item, parts[0]) for item in value)
    return len(value) == len(parts) and all(map(fits, value, parts))


def _is_finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind)}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
