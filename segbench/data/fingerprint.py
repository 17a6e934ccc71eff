"""A short hash that tells two data sets apart by their content, wherever they lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from segbench.errors import DataError
from segbench.records.text import printable

FileEntry = tuple[str, Sequence[Path]]
"""A sample's name and its files."""

_READ_WHOLE = 8
"""Entries, evenly spread, of which bytes are hashed too; the others enter by name and file sizes."""
_BYTES = 1 << 16
"""How much of each end of such a file is read."""


def fingerprint_files(facts: Mapping[str, str], entries: Sequence[FileEntry]) -> str:
    """Twelve hexadecimal digits of the facts, the names, every file's size and some files' bytes; no paths, no dates.

    A change within a file that keeps its size may go unseen outside the sampled bytes.

    Raises:
        DataError: a file that cannot be read.
    """
    digest = hashlib.sha256(json.dumps(sorted(facts.items())).encode())
    try:
        for name, files in entries:
            digest.update(json.dumps([name, [path.stat().st_size for path in files]]).encode())
        for _, files in entries[:: max(1, len(entries) // _READ_WHOLE)]:
            for path in files:
                digest.update(_both_ends(path))
    except OSError as error:
        raise DataError(f"{printable(str(error.filename))}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()[:12]


def file_dates(paths: Iterable[Path]) -> str:
    """Twelve hexadecimal digits of the files' sizes and times of last writing.

    Raises:
        DataError: a file that cannot be looked at.
    """
    digest = hashlib.sha256()
    try:
        for path in paths:
            facts = path.stat()
            digest.update(f"{facts.st_size} {facts.st_mtime_ns}\n".encode())
    except OSError as error:
        raise DataError(f"{printable(str(error.filename))}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()[:12]


def _both_ends(path: Path) -> bytes:
    with path.open("rb") as file:
        start = file.read(_BYTES)
        file.seek(max(_BYTES, path.stat().st_size - _BYTES))
        return start + file.read()
