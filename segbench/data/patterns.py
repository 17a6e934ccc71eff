"""Finds files by patterns such as `images/*/*.jpg`, each under the text its wildcards stand for."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from segbench.errors import DataError
from segbench.records.text import printable

_WILDCARDS = re.compile(r"\*\*/|\*")


def find_by_patterns(root: Path, patterns: Sequence[str]) -> dict[str, list[Path]]:
    """The files that match any of the patterns, sorted, by what their wildcards stand for: `aachen/000019`.

    `*` is any part of a name, `**/` any number of folders, none included. Case matters in names but not in the ending
    of a file. Hidden files and folders are passed over.

    Raises:
        DataError: a folder that cannot be read.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    for pattern in dict.fromkeys(patterns):
        fixed, expression = _compiled(pattern.replace("\\", "/"))
        for path in sorted(_files_below(root / fixed)):
            match = expression.fullmatch(path.relative_to(root / fixed).as_posix())
            if match and path not in found[key := "/".join(part.strip("/") for part in match.groups() if part)]:
                found[key].append(path)
    return {key: paths for key, paths in found.items() if paths}


def _fixed_folders(pattern: str) -> str:
    """The part of a pattern before its first wildcard, whole folders only."""
    return _WILDCARDS.split(pattern, maxsplit=1)[0].rpartition("/")[0]


def _compiled(pattern: str) -> tuple[str, re.Pattern[str]]:
    """The folder a pattern starts from, and what must follow."""
    fixed = _fixed_folders(pattern)
    rest = pattern[len(fixed) :].lstrip("/")
    stem, dot, ending = rest.rpartition(".")
    if not dot or "*" in ending or "/" in ending:
        stem, ending = rest, ""
    return fixed, re.compile(_expression(stem) + (f"(?i:{re.escape(dot + ending)})" if ending else ""), re.S)


def _expression(pattern: str) -> str:
    place, parts = 0, []
    for wildcard in _WILDCARDS.finditer(pattern):
        parts.append(re.escape(pattern[place : wildcard.start()]))
        parts.append("((?:[^/]+/)*)" if wildcard[0] == "**/" else "([^/]*)")
        place = wildcard.end()
    return "".join(parts) + re.escape(pattern[place:])


def _files_below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place) / name for name in names if not name.startswith("."))


def _unreadable(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise DataError(f"the folder {printable(str(error.filename))} cannot be read: {error.strerror}") from error
