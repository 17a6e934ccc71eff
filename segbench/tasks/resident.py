"""Pages of loaded files, so that a forked process has as much in memory as one that read them itself.

`fork` copies the page tables of what a process has written, but leaves the pages of program files to be found again on
first use. A fresh interpreter of the same imports has them in its resident set, about 0.1 GB of libtorch and others; a
forked one would be shown smaller by what it never uses again.
"""

from __future__ import annotations

import array
import ctypes
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

_POPULATE_READ = 22
"""madvise(2), since Linux 5.14; an older kernel refuses, and the peak is smaller by these pages."""
_PRESENT = 63
"""Bit of a page's entry in /proc/self/pagemap, see the kernel's admin-guide/mm/pagemap.rst."""
_ENTRY_BYTES = 8


@dataclass(frozen=True)
class Pages:
    """A run of pages: address and length in bytes."""

    start: int
    length: int


def resident_file_pages() -> list[Pages]:
    """Runs of this process's pages that come from files and are in memory."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
        with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:  # noqa: PTH123
            mapped = [_span(line) for line in lines if _is_readable_file(line)]
            return [run for span in mapped for run in _present(span, _entries(pagemap.fileno(), span))]
    except OSError:
        return []


def bring_in(pages: Sequence[Pages]) -> None:
    """Maps the pages as if each had been read; nothing is copied."""
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for run in pages:
        madvise(run.start, run.length, _POPULATE_READ)


def _is_readable_file(line: str) -> bool:
    """Of a line of /proc/self/maps: address, permissions, offset, device, inode (0 for none), name."""
    _, permissions, _, _, inode, *_ = line.split()
    return inode != "0" and permissions.startswith("r")


def _span(line: str) -> Pages:
    start, end = (int(number, 16) for number in line.split(maxsplit=1)[0].split("-"))
    return Pages(start, end - start)


def _entries(pagemap: int, span: Pages) -> array.array[int]:
    """One a page."""
    page = os.sysconf("SC_PAGE_SIZE")
    raw = os.pread(pagemap, span.length // page * _ENTRY_BYTES, span.start // page * _ENTRY_BYTES)
    return array.array("Q", raw)


def _present(span: Pages, entries: Sequence[int]) -> Iterator[Pages]:
    page, position = os.sysconf("SC_PAGE_SIZE"), 0
    for present, group in groupby(entries, lambda entry: entry >> _PRESENT):
        count = sum(1 for _ in group)
        if present:
            yield Pages(span.start + position * page, count * page)
        position += count
