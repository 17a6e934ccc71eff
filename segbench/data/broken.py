"""Files of a data set that cannot be used: named with their path and the reason."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from segbench.errors import DataError
from segbench.records.text import printable


@dataclass(frozen=True)
class Broken:
    """One sample that had to be left out.

    Attributes:
        name: the sample's.
        path: the file at fault.
        reason: what is wrong with it, in a few words.
    """

    name: str
    path: str
    reason: str

    @classmethod
    def of(cls, name: str, path: str | os.PathLike[str], reason: str) -> Broken:
        """With the names written as a record may hold them."""
        return cls(printable(name), printable(os.fspath(path)), reason)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


_NAMED = 20
"""Files that a record names; the others are counted."""


def left_out(broken: Sequence[Broken], usable: int, what: str) -> str | None:
    """A sentence on what was left out of a data set, for the screen; None if nothing was."""
    if not broken:
        return None
    more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
    return f"left out {len(broken)} of {len(broken) + usable} images of {what} that cannot be used: {broken[0]}{more}"


def left_out_names(broken: Sequence[Broken]) -> list[str]:
    """The samples left out, for a record; the first twenty."""
    return [item.name for item in broken[:_NAMED]]


class BrokenFile(DataError):
    """A file that cannot be used; `path`, as a record may hold it, and `reason` are kept apart for lists of them."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        self.path = printable(os.fspath(path))
        self.reason = printable(reason, longest=None)
        super().__init__(f"{self.path}: {self.reason}")

    def __reduce__(self) -> tuple[type[BrokenFile], tuple[str, str]]:
        """Lets a loader's worker process hand it to the main one."""
        return BrokenFile, (self.path, self.reason)
