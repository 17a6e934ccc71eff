"""Reads list files as people write them: any encoding, quotes, tabs, comments, blanks within names."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from segbench.errors import DataError
from segbench.records.text import printable

_ENDING = re.compile(r"\.(?:jpe?g|png|tiff?|bmp|webp|gif|ppm|pgm|mat)(?=[\s,;]|$)", re.IGNORECASE)
"""Where a path ends, if what follows is a separator: a path may hold blanks."""
_SEPARATORS = " \t,;"
_QUOTES = "\"'"
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

KeyOf = Callable[[str], str | None]
"""The sample that a written path or name means; None if there is none."""


def read_lines(path: Path) -> list[str]:
    """The lines of a list file, blank ones left out; UTF-8 or UTF-16, bytes of other encodings as in file names.

    Raises:
        DataError: unreadable, or not text.
    """
    try:
        text = _decoded(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list {printable(str(path))} cannot be read: {error}") from error
    if "\0" in text:
        raise DataError(f"the list {printable(str(path))} is not a text file")
    return [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]


def _decoded(data: bytes) -> str:
    for mark, encoding in _BOMS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "strict" if encoding != "utf-8" else "surrogateescape")
    if data[1:2] == b"\0":  # Latin letters in UTF-16, whose second byte is zero, without a mark
        return data.decode("utf-16-le")
    return os.fsdecode(data) if data[:1] != b"\0" else data.decode("utf-16-be")


def named(lines: Iterable[str], key_of: KeyOf) -> list[str]:
    """The sample each line means by its first column, in order; comments are left out.

    Where a line can be read in several ways, because names hold blanks, it is read as a sample that exists. A line
    that means none is given as its first column stands.
    """
    found = []
    for line in lines:
        key, _ = _first(line, key_of)
        if key is not None or not line.startswith("#"):
            found.append(key if key is not None else _plain(_shortest(line)[0]))
    return found


def columns(line: str, key_of: KeyOf) -> list[str]:
    """All columns of a line, each read as a file that exists where it can be; none of a comment."""
    found: list[str] = []
    while line:
        key, rest = _first(line, key_of)
        if key is None and not found and line.startswith("#"):
            return []
        if key is None:
            written, rest = _shortest(line)
            key = _plain(written)
        found.append(key)
        line = rest
    return found


def _first(line: str, key_of: KeyOf) -> tuple[str | None, str]:
    """What the first column means and the rest of the line; None where no reading of it means anything."""
    for written, rest in _readings(line):
        key = key_of(_plain(written))
        if key is not None:
            return key, rest
    return None, ""


def _shortest(line: str) -> tuple[str, str]:
    """The reading of a line whose first column is nothing that exists: nothing is said of blanks in it."""
    return min(_readings(line), key=lambda reading: len(reading[0]))


def _plain(path: str) -> str:
    r"""Slashes for backslashes; `\ ` is how a shell writes a blank."""
    return path.replace("\\ ", " ").replace("\\", "/")


def _readings(line: str) -> Iterator[tuple[str, str]]:
    """Ways to read the first column, the likeliest first, each with the rest of the line.

    Paths end at a file ending, the first one more likely; bare names rather hold the blanks than end at them.
    """
    line = line.strip(_SEPARATORS)
    if line[:1] in _QUOTES and line.find(line[0], 1) > 0:
        end = line.index(line[0], 1)
        yield line[1:end], line[end + 1 :].strip(_SEPARATORS)
        return
    if "\t" in line:
        first, _, rest = line.partition("\t")
        yield first.strip(), rest.strip(_SEPARATORS)
        return
    ends = [found.end() for found in _ENDING.finditer(line)]
    if not ends:
        ends = [len(line), *sorted((found.start() for found in re.finditer(r"[\s,;]+", line)), reverse=True)]
    for end in ends:
        yield line[:end], line[end:].strip(_SEPARATORS)
