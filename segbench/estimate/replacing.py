"""Attributes of modules and classes that are others for a while."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def replaced(owner: Any, name: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """Within it an attribute is another, made from the original."""
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(wrapper(original)))
    try:
        yield
    finally:
        setattr(owner, name, original)
