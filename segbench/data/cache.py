"""Keeps decoded pixels in one memory-mapped file, so that a second epoch costs a copy instead of a decode."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import warnings
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from filelock import FileLock

from segbench.data.dataset import Dataset, Forwarding, Pixels, Sample
from segbench.errors import UnknownName, UserError
from segbench.units import GIB, parse_bytes

CACHE_MODES = ("off", "auto", "on")

AUTO_LIMIT: Final = 1 * GIB
"""`auto` keeps sets that decode to less: CamVid (0.3 GiB) yes, LIP, PASCAL-Context and Cityscapes no."""

DEFAULT_LIMIT: Final = 8 * GIB
"""All caches together; the ones unused for longest make room. SEGBENCH_CACHE_LIMIT says otherwise."""

LIMIT_VARIABLE = "SEGBENCH_CACHE_LIMIT"

_FORMAT = 2
"""2: grey labels of 1, 2 and 4 bits hold the stored values."""
_CHUNK = 32
"""Samples decoded at a time while a cache is made."""


class CacheWarning(UserWarning):
    """A cache could not be made or was damaged; the data set is read from its own files."""


def default_folder() -> Path:
    """`segbench/data` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "segbench" / "data"


def cache_limit() -> int:
    """Bytes that all caches together may take.

    Raises:
        UserError: SEGBENCH_CACHE_LIMIT is no amount.
    """
    said = os.environ.get(LIMIT_VARIABLE)
    return parse_bytes(said) if said else DEFAULT_LIMIT


def require_mode(mode: str) -> None:
    """Refuses a word that is no mode.

    Raises:
        UnknownName: says which there are.
    """
    if mode not in CACHE_MODES:
        raise UnknownName("cache mode", mode, CACHE_MODES)


def cached(
    dataset: Dataset,
    mode: str = "auto",
    *,
    folder: Path | None = None,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """The data set, read from a cache that is made now if it is not there or is out of date.

    Two processes may do this at once: one makes the file, the other waits and uses it. A disk that is full or may not
    be written leaves the data set uncached, with a warning.

    Args:
        mode: `off`; `on`; or `auto`: only where the decoded set is smaller than `AUTO_LIMIT`.
        limit: bytes of all caches together, `cache_limit()` if None.

    Raises:
        UnknownName: no such mode.
        UserError: mode `on` and the set is larger than the limit.
        DataError: a broken file was met while the cache was made.
    """
    require_mode(mode)
    if mode == "off":
        return dataset
    folder = default_folder() if folder is None else folder
    limit = cache_limit() if limit is None else limit
    if isinstance(dataset, CachedDataset):
        return dataset
    expected = decoded_bytes(dataset)
    if mode == "auto" and expected > min(AUTO_LIMIT, limit):
        return dataset
    if expected > limit:
        raise UserError(
            f"{dataset.name} {dataset.split} decodes to {expected / GIB:.1f} GiB, more than the cache may take "
            f"({limit / GIB:.1f} GiB); set {LIMIT_VARIABLE}={expected // GIB + 1}GiB or leave the cache off"
        )
    try:
        return _open_or_make(dataset, folder, limit, expected, progress)
    except OSError as error:
        warnings.warn(f"no cache in {folder}: {error}; reading from the files", CacheWarning, stacklevel=2)
        return dataset


def decoded_bytes(dataset: Dataset) -> int:
    """About how many bytes the decoded set has, judged by eight samples."""
    probes = range(0, len(dataset), max(1, len(dataset) // 8))
    sizes = [sample.image.nbytes + sample.label.nbytes for sample in map(dataset.__getitem__, probes)]
    return sum(sizes) * len(dataset) // len(sizes)


@dataclass(frozen=True)
class _Entry:
    """Where a sample lies in the file: image bytes, then label bytes."""

    start: int
    height: int
    width: int
    checksum: int

    @property
    def pixels(self) -> int:
        return self.height * self.width

    @property
    def stop(self) -> int:
        return self.start + 4 * self.pixels


class CachedDataset(Forwarding):
    """Another data set's samples out of one file; everything else is asked of that data set.

    Each sample's checksum is compared when it is first read. A damaged one is decoded anew from its own files, and
    the file is removed, so that the next start makes it again.
    """

    def __init__(self, original: Dataset, path: Path, entries: tuple[_Entry, ...]) -> None:
        super().__init__(original)
        self.path = path
        self._entries = entries
        self._bytes: Pixels = np.memmap(path, np.uint8, mode="r")
        self._checked: set[int] = set()

    def __getitem__(self, index: int, /) -> Sample:
        entry = self._entries[index]
        stored = np.array(self._bytes[entry.start : entry.stop])
        if index not in self._checked:
            if zlib.crc32(stored.data) != entry.checksum:
                return self._damaged(index)
            self._checked.add(index)
        image, label = stored[: 3 * entry.pixels], stored[3 * entry.pixels :]
        shape = (entry.height, entry.width)
        return Sample(image.reshape(*shape, 3), label.reshape(shape), self.original.names[index])

    def __getstate__(self) -> dict[str, Any]:
        """A worker process maps the file itself instead of receiving a copy of it."""
        return {"original": self.original, "path": self.path, "entries": self._entries}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["original"], state["path"], state["entries"])  # type: ignore[misc]

    def _damaged(self, index: int) -> Sample:
        name = self.original.names[index]
        warnings.warn(f"the cache {self.path} is damaged at {name}; reading its file", CacheWarning, stacklevel=3)
        _remove(self.path)
        return self.original[index]


def _open_or_make(
    dataset: Dataset, folder: Path, limit: int, expected: int, progress: Callable[[int, int], None] | None
) -> Dataset:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{dataset.name}-{_key(dataset)}.pixels"
    with FileLock(path.with_suffix(".lock")):
        entries = _read_index(path, dataset)
        if entries is None:
            _make_room(folder, limit - expected, keep=path)
            if shutil.disk_usage(folder).free < expected:
                raise OSError(f"the disk has less than the {expected / GIB:.2f} GiB needed")
            entries = _make(dataset, path, progress)
        os.utime(_index_of(path))  # the least recently used cache goes first
        return CachedDataset(dataset, path, entries)


def _key(dataset: Dataset) -> str:
    """Of the content, and of the files' dates where there are files: an edit that keeps the size is noticed too."""
    stamp = getattr(dataset, "stamp", "")
    return hashlib.sha256(f"{_FORMAT} {dataset.fingerprint} {stamp}".encode()).hexdigest()[:16]


def _index_of(path: Path) -> Path:
    return path.with_suffix(".json")


def _read_index(path: Path, dataset: Dataset) -> tuple[_Entry, ...] | None:
    """The entries of a finished, undamaged cache; None if it must be made."""
    try:
        entries = tuple(_Entry(*row) for row in json.loads(_index_of(path).read_text())["entries"])
        whole = len(entries) == len(dataset) and path.stat().st_size == entries[-1].stop
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    return entries if whole else None


def _make(dataset: Dataset, path: Path, progress: Callable[[int, int], None] | None) -> tuple[_Entry, ...]:
    """Writes pixels, then the index, each under another name first: whoever finds an index finds all of it."""
    entries: list[_Entry] = []
    with _replacing(path) as partial, partial.open("wb") as file:
        for sample in _decode_all(dataset):
            image, label = np.ascontiguousarray(sample.image), np.ascontiguousarray(sample.label)
            checksum = zlib.crc32(label.data, zlib.crc32(image.data))
            entries.append(_Entry(file.tell(), label.shape[0], label.shape[1], checksum))
            file.write(image.data)
            file.write(label.data)
            if progress is not None:
                progress(len(entries), len(dataset))
    rows = [[entry.start, entry.height, entry.width, entry.checksum] for entry in entries]
    with _replacing(_index_of(path)) as partial:
        partial.write_text(json.dumps({"entries": rows}))
    return tuple(entries)


def _decode_all(dataset: Dataset) -> Iterator[Sample]:
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(dataset), _CHUNK):
            yield from pool.map(dataset.__getitem__, range(start, min(start + _CHUNK, len(dataset))))


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` that takes its place once it is complete; nothing is left behind otherwise.

    Its name is fixed, because the lock is held: what a killed process left is overwritten.
    """
    partial = path.with_name(path.name + ".part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _make_room(folder: Path, allowed: int, keep: Path) -> None:
    """Removes the caches unused for longest until the others take at most `allowed` bytes."""
    others = [path for path in folder.glob("*.pixels") if path != keep]
    others.sort(key=_last_used, reverse=True)
    total = 0
    for path in others:
        total += _size(path)
        if total > allowed:
            _remove(path)


def _last_used(path: Path) -> float:
    try:
        return _index_of(path).stat().st_mtime
    except OSError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _remove(path: Path) -> None:
    """Removes a cache, index first; a process that has it mapped keeps it until it ends."""
    _index_of(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
