"""Pages of files in memory: counted in a file of our own, and brought into a forked process."""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from segbench.tasks.resident import Pages, bring_in, resident_file_pages

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/pagemap is Linux's")
PAGE = mmap.PAGESIZE
COUNT = 4096


@pytest.fixture
def mapped(tmp_path: Path) -> Iterator[tuple[mmap.mmap, Path]]:
    """A mapped file of 16 MiB of which nothing was read yet."""
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(COUNT * PAGE))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ) as memory:
        yield memory, path


def place_of(path: Path) -> Pages:
    lines = Path("/proc/self/maps").read_text().splitlines()
    start, end = next(line for line in lines if line.endswith(str(path))).split()[0].split("-")
    return Pages(int(start, 16), int(end, 16) - int(start, 16))


def bytes_here(path: Path) -> int:
    """How much of the mapped file is in memory."""
    place = place_of(path)
    inside = [run for run in resident_file_pages() if place.start <= run.start < place.start + place.length]
    return sum(run.length for run in inside)


def test_pages_that_were_read_are_told_as_runs(mapped: tuple[mmap.mmap, Path]) -> None:
    memory, path = mapped
    assert bytes_here(path) == 0
    assert memory[0] + memory[(COUNT - 1) * PAGE] >= 0
    around = bytes_here(path)  # a fault also maps neighbours that are cached
    assert 2 * PAGE <= around < COUNT * PAGE
    assert sum(memory[number * PAGE] for number in range(COUNT)) > 0
    assert bytes_here(path) == COUNT * PAGE


def test_a_forked_process_has_them_after_they_were_brought_in(mapped: tuple[mmap.mmap, Path]) -> None:
    memory, path = mapped
    assert sum(memory[number * PAGE] for number in range(COUNT)) > 0
    pages = resident_file_pages()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        before = bytes_here(path)
        bring_in(pages)
        os.write(writer, f"{before} {bytes_here(path)}".encode())
        os._exit(0)
    os.waitpid(pid, 0)
    before, after = map(int, os.read(reader, 100).split())
    os.close(reader), os.close(writer)
    assert before == 0 and after == COUNT * PAGE
