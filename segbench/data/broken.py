"""Files of a data set that cannot be used: named with their path and the reason."""

from __future__ import annotations

import os
from dataclasses import dataclass

from segbench.errors import DataError


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

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class BrokenFile(DataError):
    """A file that cannot be used; `path` and `reason` are kept apart for lists of them."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{os.fspath(path)}: {reason}")
        self.path = os.fspath(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[BrokenFile], tuple[str, str]]:
        """Lets a loader's worker process hand it to the main one."""
        return BrokenFile, (self.path, self.reason)
