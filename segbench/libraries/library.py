"""Importing a library that may not be installed, and finding a name in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from segbench.errors import CardError, UnknownName

_Value = TypeVar("_Value")


@contextmanager
def library(extra: str, package: str) -> Iterator[None]:
    """Around a library's import.

    Raises:
        CardError: it, or something it needs, is not installed; the sentence has pip's command.
    """
    try:
        yield
    except ImportError as error:
        missing = "is not installed" if error.name == package.replace("-", "_") else f"cannot be imported ({error})"
        raise CardError(
            f"{extra}: networks need {package}, which {missing}; pip install 'segbench[{extra}]'"
        ) from error


def found(kind: str, name: str, known: Mapping[str, _Value]) -> _Value:
    """The value of a name, whatever its capitals.

    Raises:
        UnknownName: none; near names are suggested.
    """
    same = {key.lower(): value for key, value in known.items()} | dict(known)
    if name not in same and name.lower() not in same:
        raise UnknownName(kind, name, known)
    return same[name] if name in same else same[name.lower()]


def require_known(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Refuses arguments that a library would pass over.

    Raises:
        UnknownName: near names are suggested.
    """
    known = set(known)
    for name in names:
        if name not in known:
            raise UnknownName(kind, name, known)
